// From an offer to a complete image and its verify.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/device.hpp"

namespace ota::agent {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t kMaxRanges = 256;

}  // namespace

void Device::begin(const Assignment& task) {
  flush_progress(steady_clock::now(), true);
  leave(true);
  task_ = task;
  phase_ = Phase::downloading;
  began_ = steady_clock::now();
  hold_until_ = began_;
  bytes_fetched_ = 0;
  choice_.begin_task();
  state_.prune_parts(task_->checksum);
  keep("downloading");
  tell("metadata");
}

// The same task as the server has it now. Where its image or grid is another, what was known of chunks is void: what
// lies on the disk is looked at anew. Of other images few are kept, as where a task begins.
void Device::adopt(const Assignment& task) {
  if (task_->checksum != task.checksum) state_.prune_parts(task.checksum);
  if (task_->grid != task.grid || task_->checksum != task.checksum) {
    image_.reset();
    to_forget_.clear();
    arrived_.clear();
    bad_chunks_.clear();
    cursor_ = 0;
  }
  task_ = task;
  blocked_.clear();
  need_urls_ = false;
}

void Device::leave(bool keep_chunks) {
  if (task_ && !keep_chunks) state_.drop_part(task_->checksum);
  state_.drop_task();
  task_.reset();
  image_.reset();
  to_forget_.clear();
  blocked_.clear();
  arrived_.clear();
  bad_chunks_.clear();
  cursor_ = 0;
  need_urls_ = false;
  gate_ = {};
  confirm_ = false;
  install_ = {};
  after_restart_ = reported_ = false;
  verify_.clear();
  reboot_.clear();
  phase_ = Phase::idle;
}

void Device::download(Time now) {
  if (now < paced_until_ || take_late_chunk(now) || now < hold_until_) return;
  choose_source(now);
  if (need_urls_ && source_ == http_.get()) return;
  if (!image_ && !prepare_image(now)) return;
  if (image_->have().complete()) {
    all_here(now);
    return;
  }
  auto index = next_chunk(now);
  if (!index) {
    if (mqtt_.may_bring_until(*task_, now)) return;
    // All missing chunks are corrupt: the server's retry unblocks them; if it is lost, verify asks for it.
    if (!ask_.armed()) ask_.arm(now, kAskBackoff.min);
    return;
  }
  auto fetched = source_->chunk(*task_, *index, chunks_ahead(*index, now));
  if (fetched.kind == Fetched::Kind::ok) {
    accept(*index, fetched, source_->transport(), now);
  } else {
    fetch_failed(fetched, steady_clock::now());
  }
}

// The chunks that were requested over MQTT, whichever transport is in use now.
bool Device::take_late_chunk(Time now) {
  if (!image_) return false;
  auto late = mqtt_.take_any(*task_);
  if (!late) return false;
  if (!image_->have().test(late->first)) accept(late->first, late->second, Transport::mqtt, now);
  return true;
}

bool Device::wanted(std::uint32_t index, Time now) {
  if (image_->have().test(index) || blocked_.contains(index)) return false;
  return source_ == &mqtt_ || !mqtt_.may_bring(*task_, index, now);
}

// Over MQTT none need be known before: each comes with its chunk.
std::optional<std::vector<Digest>> Device::find_digests(Time now) {
  if (!task_->chunks.empty() || source_ == &mqtt_) return task_->chunks;
  auto fetched = source_->manifest(*task_);
  if (fetched.kind != Fetched::Kind::ok) {
    fetch_failed(fetched, steady_clock::now());
    return std::nullopt;
  }
  std::vector<Digest> digests(task_->grid.count());
  if (fetched.bytes.size() != digests.size() * sizeof(Digest)) {
    fetched.kind = Fetched::Kind::later;
    fetched.why = "the manifest does not have one digest per chunk";
    fetch_failed(fetched, now);
    return std::nullopt;
  }
  std::copy(fetched.bytes.begin(), fetched.bytes.end(), reinterpret_cast<char*>(digests.data()));
  return digests;
}

void Device::choose_source(Time now) {
  const auto wanted = choice_.current(now);
  if (wanted == source_->transport()) return;
  source_ = wanted == Transport::mqtt ? static_cast<ChunkSource*>(&mqtt_) : http_.get();
  fetch_again_.arm(now);
  tell("transport", std::string(to_string(wanted)));
  // Over HTTP a chunk comes without its digest.
  if (image_ && !image_->knows_digests() && wanted == Transport::http) image_.reset();
}

ChunkRanges Device::chunks_ahead(std::uint32_t index, Time now) {
  ChunkRanges ahead;
  std::size_t chunks = 0;
  const auto count = image_->grid().count();
  for (std::uint32_t i = 1; i < count && chunks < MqttSource::kWindow; ++i) {
    const auto next = (index + i) % count;
    if (!wanted(next, now)) continue;
    ++chunks;
    if (!ahead.empty() && ahead.back().last + 1 == next) {
      ahead.back().last = next;
    } else {
      ahead.push_back({next, next});
    }
  }
  return ahead;
}

bool Device::prepare_image(Time now) {
  auto digests = find_digests(now);
  if (!digests) return false;
  auto opened = ImageFile::open(state_.part(task_->checksum), task_->grid, std::move(*digests));
  if (!opened) {
    give_up(opened.error().code == Errc::disk_full ? "disk_full" : opened.error().message);
    return false;
  }
  image_ = std::move(*opened);
  image_->forget(std::exchange(to_forget_, {}));
  tell_known_chunks();
  send("progress", state_json(who_, task_->id, "downloading", {}));
  return true;
}

// The server may not know of chunks from before.
void Device::tell_known_chunks() {
  if (!image_) return;
  for (const auto& range : task_->missing) {
    for (auto i = range.first; i <= range.last; ++i) {
      if (image_->have().test(i)) arrived(i, source_->transport());
    }
  }
}

void Device::arrived(std::uint32_t index, Transport transport) {
  if (transport != arrived_by_) flush_progress(steady_clock::now(), true);
  arrived_by_ = transport;
  if (!arrived_.empty() && arrived_.back().last + 1 == index) {
    arrived_.back().last = index;
  } else {
    arrived_.push_back({index, index});
  }
}

std::optional<std::uint32_t> Device::next_chunk(Time now) {
  auto count = image_->grid().count();
  for (std::uint32_t tried = 0; tried < count; ++tried, cursor_ = (cursor_ + 1) % count) {
    if (wanted(cursor_, now)) return cursor_;
  }
  return std::nullopt;
}

void Device::accept(std::uint32_t index, const Fetched& fetched, Transport transport, Time began) {
  end_failures_wait(began);
  fetch_again_.arm(began);
  refused_urls_ = 0;
  bytes_fetched_ += fetched.bytes.size();
  choice_.worked(transport);
  auto put = image_->put(index, fetched.bytes, fetched.digest);
  if (!put) {
    give_up(put.error().code == Errc::disk_full ? "disk_full" : put.error().message);
    return;
  }
  auto now = steady_clock::now();
  if (auto rate = shared_.options.rate; rate > 0) {
    paced_until_ = began + milliseconds(std::uint64_t{fetched.bytes.size()} * 1000 / rate);
  }
  if (!*put) {
    blocked_.insert(index);
    send("progress", progress_json(who_, *task_, {{index, index}}, false, transport, fetched.rtt_ms));
    tell("mismatch", fmt::format("chunk {} is corrupt", index));
    return;
  }
  if (fetched.rtt_ms > 0) {
    rtt_sum_ms_ += fetched.rtt_ms;
    ++rtt_count_;
  }
  arrived(index, transport);
  if (arrived_.size() >= kMaxRanges) flush_progress(now, true);
  if (image_->have().complete() || now - chunk_reported_ >= milliseconds(100)) {
    chunk_reported_ = now;
    tell("chunk");
  }
}

// One that the server asked for goes on.
void Device::end_failures_wait(Time now) {
  if (hold_until_ == fetch_again_.next()) hold_until_ = std::min(hold_until_, now);
}

void Device::fetch_failed(const Fetched& fetched, Time now) {
  switch (fetched.kind) {
    case Fetched::Kind::expired:
      need_urls_ = true;
      tell("error", fetched.why + ": requesting new URLs");
      // At once the first time; fresh ones that are refused too make the waits grow.
      ask_.arm(now, refused_urls_ == 0 ? milliseconds(0) : kAskBackoff.wait(refused_urls_ - 1, shared_.random.unit()));
      ++refused_urls_;
      return;
    case Fetched::Kind::gone:
      tell("error", fetched.why + ": the task has ended");
      leave(true);
      ask_.arm(now);
      return;
    case Fetched::Kind::aborted:
      return;
    case Fetched::Kind::later:
    case Fetched::Kind::ok:
      break;
  }
  if (!control_.broker_connected()) control_.reconnect_now();
  if (fetched.silent) {
    choice_.died(source_->transport(), now);
  } else if (!fetched.moved) {
    choice_.failed(source_->transport(), now);
  }
  if (choice_.current(now) != source_->transport() && choice_.usable(choice_.current(now), now)) {
    tell("error", fetched.why);
    return;  // the other transport at once
  }
  fetch_again_.arm_again(now);
  hold_until_ = fetch_again_.next();
  if (fetched.retry_after_s > 0) hold_until_ = now + seconds(fetched.retry_after_s);
  tell("error", fmt::format("{}; again in {} ms", fetched.why,
                            std::chrono::duration_cast<milliseconds>(hold_until_ - now).count()));
}

void Device::all_here(Time now) {
  flush_progress(now, true);
  auto digest = image_->digest();
  if (!digest) {
    give_up(digest.error().message);
    return;
  }
  computed_ = *digest;
  bad_chunks_.clear();
  if (computed_ != task_->checksum) bad_chunks_ = image_->recheck();
  keep("verifying");
  phase_ = Phase::verifying;
  verify_.arm(now);
}

void Device::send_verify(Time now) {
  send("verify", verify_json(who_, *task_, computed_, bad_chunks_));
  verify_.asked(now);
}

void Device::give_up(const std::string& reason) {
  send("progress", state_json(who_, task_->id, "failed", reason));
  tell("failed", reason);
  // Not again by itself: the server decides whether there is another attempt.
  leave(true);
  finish(3);
}

}  // namespace ota::agent
