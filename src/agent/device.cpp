#include "agent/device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/http_source.hpp"
#include "ota/base/log.hpp"

namespace ota::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr Backoff kAskBackoff{seconds(2), seconds(60)};
constexpr Backoff kFetchBackoff{milliseconds(500), seconds(30)};
constexpr milliseconds kProgressEvery{300};
constexpr std::size_t kMaxInbox = 256;
constexpr std::size_t kMaxPayload = 4u << 20;
constexpr std::size_t kMaxRanges = 256;
constexpr int kQos = 1;

mqtt::Options mqtt_options(const Options& options, const std::string& id, const std::string& topic) {
  mqtt::Options result;
  result.url = options.broker;
  result.client_id = id;
  result.username = options.username;
  result.password = options.password;
  result.ca_file = options.ca_file;
  result.cert_file = options.cert_file;
  result.key_file = options.key_file;
  for (const auto* type : {"metadata", "success", "retry", "failed", "queued", "up_to_date", "cancel", "error"}) {
    result.subscriptions.push_back(topic + type);
  }
  result.max_outbox_messages = 1000;
  result.max_payload_bytes = kMaxPayload;
  return result;
}

std::string token_of(const Options& options, const std::string& id) {
  auto it = options.tokens.find(id);
  return it == options.tokens.end() ? options.token : it->second;
}

}  // namespace

Device::Device(const Shared& shared, std::string id, StateDir state, std::function<void()> wake)
    : shared_(shared),
      id_(std::move(id)),
      topic_(fmt::format("{}/{}/", shared.options.topic_root, id_)),
      state_(std::move(state)),
      wake_(std::move(wake)),
      source_(make_http_source(shared.options.http_ca_file, interrupted_)),
      ask_(kAskBackoff, shared.random),
      verify_(kAskBackoff, shared.random),
      fetch_again_(kFetchBackoff, shared.random) {
  who_ = {state_.current_version(), shared.options.hardware, shared.options.want_version, token_of(shared.options, id_),
          shared.options.max_chunk_bytes};
  if (who_.current_version.empty()) who_.current_version = shared.options.current_version;
  mqtt::Handlers handlers;
  handlers.on_message = [this](std::string_view topic, std::string_view payload) {
    {
      std::lock_guard lock(inbox_mutex_);
      if (inbox_.size() >= kMaxInbox) return;  // the server says it again when it is asked again
      inbox_.emplace_back(payload);
    }
    if (topic.ends_with("/cancel")) interrupted_ = true;
    wake_();
  };
  handlers.on_connected = [this] {
    {
      std::lock_guard lock(inbox_mutex_);
      was_connected_ = true;
    }
    wake_();
  };
  client_ = mqtt::Client::create(mqtt_options(shared.options, id_, topic_), std::move(handlers), shared.random);
}

Device::~Device() { client_->stop(milliseconds(0)); }

void Device::start() {
  resume_kept_task();
  client_->start();
}

// A process that died between a message and what follows from it goes on from there.
void Device::resume_kept_task() {
  auto kept = state_.task();
  if (!kept || kept->phase == "downloading") return;  // the server's metadata brings what it takes to go on
  task_ = std::move(kept->task);
  confirm_ = kept->confirm;
  began_ = steady_clock::now();
  if (kept->phase == "verified") {
    phase_ = Phase::installing;
    return;
  }
  auto digest = file_digest(state_.part(task_->checksum));
  if (!digest) {
    leave(true);
    return;
  }
  computed_ = *digest;
  phase_ = Phase::verifying;
}

Time Device::step() {
  if (stopping_) return Time::max();
  handle_inbox();
  if (verdict()) return Time::max();
  auto now = steady_clock::now();
  bool online = client_->status().connected;
  if (online && ask_.due(now)) {
    send("request", request_json(who_));
    ask_.asked(now);
  }
  if (phase_ == Phase::downloading) download(now);
  if (phase_ == Phase::verifying && online && verify_.due(now)) send_verify(now);
  if (phase_ == Phase::installing) install();
  flush_progress(steady_clock::now(), false);
  if (verdict()) return Time::max();
  if (phase_ == Phase::idle && !ask_.armed()) {
    auto poll = static_cast<double>(shared_.options.poll_s) * (1.0 - shared_.random.unit() / 4);
    ask_.arm(now, milliseconds(static_cast<long>(poll * 1000)));
  }
  return next_step(now, online);
}

Time Device::next_step(Time now, bool online) {
  auto next = now + seconds(60);
  // Off line, on_connected wakes us.
  if (online && ask_.armed()) next = std::min(next, ask_.next());
  if (online && phase_ == Phase::verifying) next = std::min(next, verify_.next());
  if (phase_ == Phase::downloading && !need_urls_) {
    bool waits_for_server = image_ && !image_->have().complete() && !next_chunk();
    if (!waits_for_server) next = std::min(next, hold_until_);
  }
  if (!arrived_.empty()) next = std::min(next, told_progress_ + kProgressEvery);
  return next;
}

void Device::interrupt() {
  stopping_ = true;
  interrupted_ = true;
  wake_();
}

void Device::stop(milliseconds grace) {
  flush_progress(steady_clock::now(), true);
  client_->stop(grace);
}

std::optional<int> Device::verdict() const {
  int status = verdict_;
  return status < 0 ? std::nullopt : std::optional(status);
}

// --- messages ---

void Device::handle_inbox() {
  std::deque<std::string> messages;
  bool came = false;
  {
    std::lock_guard lock(inbox_mutex_);
    messages.swap(inbox_);
    came = std::exchange(was_connected_, false);
    interrupted_ = false;
  }
  if (stopping_) interrupted_ = true;
  if (came) connected(steady_clock::now());
  for (const auto& payload : messages) {
    if (!verdict()) handle(payload);
  }
}

void Device::connected(Time now) {
  if (phase_ == Phase::verifying) {
    verify_.arm(now);
  } else if (phase_ != Phase::installing) {
    ask_.arm(now);
  }
}

void Device::handle(const std::string& payload) {
  auto message = parse_message(payload);
  if (!message) {
    tell("error", message.error().message);
    return;
  }
  std::visit([this](const auto& known) { on(known); }, *message);
}

void Device::on(const Metadata& message) {
  if (phase_ == Phase::installing || message.task.id == last_done_) return;
  ask_.clear();
  if (!is_mine(message.task.id)) {
    begin(message.task);
    return;
  }
  need_urls_ = false;
  blocked_.clear();
  if (phase_ == Phase::verifying) {
    // The attempt stays the one whose image we hold: its answer comes again.
    verify_.arm(steady_clock::now());
    return;
  }
  auto attempt = task_->attempt;
  task_ = message.task;
  if (task_->attempt != attempt) tell("metadata");
  tell_known_chunks();
}

void Device::on(const Retry& message) {
  if (phase_ == Phase::installing || message.task.id == last_done_) return;
  ask_.clear();
  verify_.clear();
  auto now = steady_clock::now();
  bool mine = is_mine(message.task.id);
  if (!mine) begin(message.task);
  bool other_grid = mine && (task_->grid != message.task.grid || task_->checksum != message.task.checksum);
  task_ = message.task;
  if (other_grid) image_.reset();
  need_urls_ = false;
  blocked_.clear();
  cursor_ = 0;
  // After a stall the server asks for what it has not heard of: our own record knows better, and is told again.
  bool anew = message.reason != "stalled";
  if (!anew) {
    tell_known_chunks();
  } else if (image_) {
    image_->forget(task_->missing);
  } else {
    to_forget_ = task_->missing;
  }
  hold_until_ = now + seconds(message.retry_after_s);
  phase_ = Phase::downloading;
  (void)state_.keep_task(*task_, "downloading", false);
  tell("retry", message.reason);
}

void Device::on(const Success& message) {
  if (!is_mine(message.task_id)) {
    if (message.task_id == last_done_) send("progress", state_json(who_, last_done_, "installed", {}));
    return;
  }
  if (phase_ == Phase::installing) return;
  ask_.clear();
  verify_.clear();
  confirm_ = message.confirm;
  if (auto kept = state_.keep_task(*task_, "verified", confirm_); !kept) tell("error", kept.error().message);
  phase_ = Phase::installing;
  tell("success");
}

void Device::on(const Failed& message) {
  if (!is_mine(message.task_id) || phase_ == Phase::installing) return;
  tell("failed", message.reason);
  leave(false);
  finish(3);
}

void Device::on(const Queued& message) {
  tell("queued", fmt::format("position {}, asking again in {} s", message.position, message.retry_after_s),
       message.task_id);
  if (is_mine(message.task_id) && phase_ != Phase::installing) leave(true);
  ask_.arm(steady_clock::now(), seconds(std::max(message.retry_after_s, 1)));
}

void Device::on(const UpToDate&) {
  if (phase_ == Phase::installing) return;
  if (task_) leave(true);
  ask_.clear();
  tell("up_to_date");
  finish(0);
}

void Device::on(const Cancel& message) {
  if (!is_mine(message.task_id) || phase_ == Phase::installing) return;
  tell("cancel", message.reason);
  bool preempted = message.reason == "preempted";
  if (preempted) flush_progress(steady_clock::now(), true);
  leave(preempted);
  ask_.arm(steady_clock::now(), kAskBackoff.min);
  if (!preempted) finish(3);
}

void Device::on(const Refusal& message) {
  if (!message.task_id.empty() && message.task_id == last_done_) return;  // a word too much after the end
  tell("error", message.code + ": " + message.message);
  auto now = steady_clock::now();
  if (message.code == "overloaded") {
    auto after = seconds(std::clamp(message.retry_after_s, 1, 3600));
    if (phase_ == Phase::verifying) {
      verify_.arm(now, after);
    } else if (ask_.armed()) {
      ask_.arm(now, after);
    }
    return;
  }
  if (message.code == "unknown_task" || message.code == "task_ended") {
    if (!is_mine(message.task_id) || phase_ == Phase::installing) return;
    leave(true);
    ask_.arm(now, kAskBackoff.min);
    return;
  }
  if (task_ || message.code == "server_fault" || message.code == "bad_chunk_range")
    return;  // what we repeat is repeated
  ask_.arm(now, kAskBackoff.max);
  finish(4);
}

// --- the update ---

void Device::begin(const Task& task) {
  flush_progress(steady_clock::now(), true);
  leave(true);
  task_ = task;
  phase_ = Phase::downloading;
  began_ = steady_clock::now();
  hold_until_ = began_;
  bytes_fetched_ = 0;
  state_.prune_parts(task_->checksum);
  if (auto kept = state_.keep_task(*task_, "downloading", false); !kept) tell("error", kept.error().message);
  tell("metadata");
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
  confirm_ = false;
  verify_.clear();
  phase_ = Phase::idle;
}

void Device::download(Time now) {
  if (need_urls_ || now < hold_until_) return;
  if (!image_ && !prepare_image(now)) return;
  if (image_->have().complete()) {
    all_here(now);
    return;
  }
  auto index = next_chunk();
  if (!index) {
    // All that is missing arrived wrong: the server's retry frees it; should that be lost, it is asked.
    if (!ask_.armed()) ask_.arm(now, kAskBackoff.min);
    return;
  }
  auto fetched = source_->chunk(*task_, *index);
  if (fetched.kind == Fetched::Kind::ok) {
    accept(*index, fetched, now);
  } else {
    fetch_failed(fetched, steady_clock::now());
  }
}

bool Device::prepare_image(Time now) {
  auto digests = task_->chunks;
  if (digests.empty()) {
    auto fetched = source_->manifest(*task_);
    if (fetched.kind != Fetched::Kind::ok) {
      fetch_failed(fetched, steady_clock::now());
      return false;
    }
    if (fetched.bytes.size() != task_->grid.count() * sizeof(Digest)) {
      fetch_failed({Fetched::Kind::later, {}, "the manifest has not one digest a chunk", 0, 0}, now);
      return false;
    }
    digests.resize(task_->grid.count());
    std::copy(fetched.bytes.begin(), fetched.bytes.end(), reinterpret_cast<char*>(digests.data()));
  }
  auto opened = ImageFile::open(state_.part(task_->checksum), task_->grid, std::move(digests));
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
      if (image_->have().test(i)) arrived(i);
    }
  }
}

void Device::arrived(std::uint32_t index) {
  if (!arrived_.empty() && arrived_.back().last + 1 == index) {
    arrived_.back().last = index;
  } else {
    arrived_.push_back({index, index});
  }
}

std::optional<std::uint32_t> Device::next_chunk() {
  auto count = image_->grid().count();
  for (std::uint32_t tried = 0; tried < count; ++tried, cursor_ = (cursor_ + 1) % count) {
    if (!image_->have().test(cursor_) && !blocked_.contains(cursor_)) return cursor_;
  }
  return std::nullopt;
}

void Device::accept(std::uint32_t index, const Fetched& fetched, Time began) {
  fetch_again_.arm(began);
  refused_urls_ = 0;
  bytes_fetched_ += fetched.bytes.size();
  auto put = image_->put(index, fetched.bytes);
  if (!put) {
    give_up(put.error().code == Errc::disk_full ? "disk_full" : put.error().message);
    return;
  }
  auto now = steady_clock::now();
  if (auto rate = shared_.options.rate; rate > 0) {
    hold_until_ = began + milliseconds(fetched.bytes.size() * 1000 / rate);
  }
  if (!*put) {
    blocked_.insert(index);
    send("progress", progress_json(who_, *task_, {{index, index}}, false, source_->name(), fetched.rtt_ms));
    tell("mismatch", fmt::format("chunk {} arrived wrong", index));
    return;
  }
  rtt_sum_ms_ += fetched.rtt_ms;
  ++rtt_count_;
  arrived(index);
  if (arrived_.size() >= kMaxRanges) flush_progress(now, true);
  if (image_->have().complete() || now - told_chunk_ >= milliseconds(100)) {
    told_chunk_ = now;
    tell("chunk");
  }
}

void Device::fetch_failed(const Fetched& fetched, Time now) {
  switch (fetched.kind) {
    case Fetched::Kind::expired:
      need_urls_ = true;
      tell("error", fetched.why + ": asking for fresh addresses");
      // At once the first time; fresh ones that are refused too make the waits grow.
      ask_.arm(now, refused_urls_ == 0 ? milliseconds(0) : kAskBackoff.wait(refused_urls_ - 1, shared_.random.unit()));
      ++refused_urls_;
      return;
    case Fetched::Kind::gone:
      tell("error", fetched.why + ": the task is over");
      leave(true);
      ask_.arm(now);
      return;
    case Fetched::Kind::aborted:
      return;
    case Fetched::Kind::later:
    case Fetched::Kind::ok:
      break;
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
  if (auto kept = state_.keep_task(*task_, "verifying", false); !kept) tell("error", kept.error().message);
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

// --- words ---

void Device::send(std::string_view what, std::string payload) {
  client_->publish(topic_ + std::string(what), std::move(payload), kQos);
}

void Device::flush_progress(Time now, bool at_once) {
  if (arrived_.empty() || !task_ || (!at_once && now - told_progress_ < kProgressEvery)) return;
  auto rtt = rtt_count_ == 0 ? 0 : rtt_sum_ms_ / rtt_count_;
  send("progress", progress_json(who_, *task_, std::exchange(arrived_, {}), true, source_->name(), rtt));
  told_progress_ = now;
  rtt_sum_ms_ = 0;
  rtt_count_ = 0;
}

void Device::tell(std::string name, std::string detail, const std::string& other_task) {
  Event event;
  event.device = id_;
  event.event = std::move(name);
  event.detail = std::move(detail);
  event.from_version = who_.current_version;
  event.task_id = other_task;
  if (task_ && (other_task.empty() || is_mine(other_task))) {
    event.task_id = task_->id;
    event.version = task_->version;
    event.priority = task_->priority;
    event.size = task_->grid.size;
    event.chunk_count = task_->grid.count();
    event.attempt = task_->attempt;
    event.bytes_fetched = bytes_fetched_;
    event.seconds = std::chrono::duration<double>(steady_clock::now() - began_).count();
    bool whole = phase_ == Phase::verifying || phase_ == Phase::installing;
    if (image_ || whole) {
      event.chunks = whole ? event.chunk_count : image_->have().have();
      event.bytes = whole ? event.size : image_->bytes();
    }
  }
  shared_.reporter.tell(event);
}

void Device::finish(int status) {
  if (shared_.options.once) verdict_ = status;
}

}  // namespace ota::agent
