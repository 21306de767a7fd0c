#include "agent/mqtt_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ota::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr double kRateWeight = 0.3;  // of the newest chunk

Fetched other(Fetched::Kind kind, std::string why) {
  Fetched fetched;
  fetched.kind = kind;
  fetched.why = std::move(why);
  return fetched;
}

}  // namespace

Fetched MqttSource::manifest(const Assignment&) {
  return other(Fetched::Kind::later, "manifests are available over HTTP only");
}

Fetched MqttSource::chunk(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead) {
  const bool connected = link_.connected();
  const MutexLock lock(mutex_);
  if (!is_about(task)) begin(task);
  for (;;) {
    drop_lost(steady_clock::now());
    if (here_.contains(index)) return take(index);
    if (interrupted_ || paused_) return other(Fetched::Kind::aborted, "interrupted");
    if (!connected) return other(Fetched::Kind::later, "chunks over MQTT: the broker is unreachable");
    if (!doubted_) {
      ask(task, index, ahead);
    } else if (!probe_) {
      ask_one(task, index, ahead);
    }
    // Without a question for it there is one whose answer decides about the next.
    const bool waits = asked(index);
    const auto ready = [&]() OTA_REQUIRES(mutex_) {
      return interrupted_ || paused_ || here_.contains(index) || (waits ? !asked(index) : !doubted_);
    };
    const auto until = wait_until();
    while (!ready() && wait_until() == until && came_.wait_until(mutex_, until)) continue;
    if (ready() || wait_until() != until) continue;
    if (moved_ + patience() > until) continue;  // some are lost, and asked for again
    if (!std::exchange(doubted_, true)) probe_.reset();
    auto fetched =
        other(Fetched::Kind::later, fmt::format("chunks over MQTT: none received in {} ms", patience().count()));
    // One message may be lost and its neighbours come: silence is when there was nothing at all.
    fetched.silent = !std::exchange(came_any_, false);
    return fetched;
  }
}

void MqttSource::begin(const Assignment& task) {
  task_ = task.id;
  grid_ = task.grid;
  forget_asked();
  here_.clear();
  here_bytes_ = 0;
}

void MqttSource::forget_asked() {
  asked_.clear();
  doubted_ = broken_ = false;
  probe_.reset();
}

void MqttSource::drop_lost(Time now) {
  if (now >= moved_ + patience() + kOverdue) forget_asked();
  std::erase_if(asked_, [now](const Asked& one) { return one.lost_at <= now; });
}

// For what is to be done next: something is lost, or chunk() has waited in vain.
Time MqttSource::wait_until() const {
  auto until = moved_ + patience();
  for (const auto& one : asked_) until = std::min(until, one.lost_at);
  return until;
}

std::deque<MqttSource::Asked>::const_iterator MqttSource::question(std::uint32_t index) const {
  return std::find_if(asked_.begin(), asked_.end(), [&](const Asked& one) { return one.index == index; });
}

// Asks when half of the window is empty, so that questions are few and the link never is.
void MqttSource::ask(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead) {
  const bool must = !asked(index);
  if (!must && asked_.size() > kWindow / 2) return;
  std::uint64_t bytes = here_bytes_;
  for (const auto& waiting : asked_) bytes += grid_.length(waiting.index);
  const bool alone = asked_.empty();
  ChunkRanges wanted;
  const auto add = [&](std::uint32_t chunk) OTA_REQUIRES(mutex_) {
    if (asked(chunk) || here_.contains(chunk)) return true;
    const bool fits = asked_.size() + here_.size() < kWindow && bytes + grid_.length(chunk) <= kWindowBytes;
    if (!fits && chunk != index) return false;
    bytes += grid_.length(chunk);
    asked_.push_back({chunk});
    if (!wanted.empty() && wanted.back().last + 1 == chunk) {
      wanted.back().last = chunk;
    } else {
      wanted.push_back({chunk, chunk});
    }
    return true;
  };
  bool room = add(index);
  for (auto range = ahead.begin(); room && range != ahead.end(); ++range)
    for (auto chunk = range->first; room && chunk <= range->last; ++chunk) room = add(chunk);
  if (wanted.empty()) return;
  alone_ = alone;
  ask_now(task, wanted);
}

// The last of those that are wanted: the others come before it or not at all. One that was not asked for yet tells as
// much, and costs nothing.
void MqttSource::ask_one(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead) {
  if (asked(index)) {
    const auto wanted = [&](const Asked& one) { return is_in(ahead, one.index); };
    const auto last = std::find_if(asked_.rbegin(), asked_.rend(), wanted);
    if (last != asked_.rend()) index = last->index;
  } else {
    asked_.push_back({index});
  }
  probe_ = index;
  ask_now(task, {{index, index}});
}

void MqttSource::ask_now(const Assignment& task, const ChunkRanges& wanted) {
  moved_ = steady_clock::now();
  broken_ = false;
  link_.ask(chunk_request_json(token_, task.id, wanted));
}

std::optional<std::pair<std::uint32_t, Fetched>> MqttSource::take_any(const Assignment& task) {
  const MutexLock lock(mutex_);
  if (!is_about(task) || here_.empty()) return std::nullopt;
  const auto index = here_.begin()->first;
  return std::pair(index, take(index));
}

bool MqttSource::may_bring(const Assignment& task, std::uint32_t index, Time now) {
  const MutexLock lock(mutex_);
  if (!is_about(task)) return false;
  const auto found = question(index);
  return here_.contains(index) || (!broken_ && found != asked_.end() && now < overdue(*found));
}

std::optional<Time> MqttSource::may_bring_until(const Assignment& task, Time now) {
  const MutexLock lock(mutex_);
  if (!is_about(task)) return std::nullopt;
  std::optional<Time> first;
  if (!here_.empty()) first = now;
  if (broken_) return first;
  for (const auto& one : asked_) {
    if (const auto until = overdue(one); until > now && (!first || until < *first)) first = until;
  }
  return first;
}

Fetched MqttSource::take(std::uint32_t index) {
  auto node = here_.extract(index);
  auto& payload = node.mapped();
  here_bytes_ -= payload.size();
  Fetched fetched;
  fetched.kind = Fetched::Kind::ok;
  Digest digest{};
  std::copy_n(payload.begin(), digest.size(), digest.begin());
  fetched.digest = digest;
  fetched.bytes = payload.substr(digest.size());
  fetched.rtt_ms = std::exchange(rtt_ms_, 0);
  return fetched;
}

milliseconds MqttSource::patience() const {
  const double rate = std::max(kSlowest, rate_ / 4);
  return kPatience + milliseconds(static_cast<std::int64_t>(1000.0 * grid_.chunk_bytes / rate));
}

// Who has another way waits no longer than for what was seen.
Time MqttSource::overdue(const Asked& one) const {
  const double chunk_s = rate_ == 0 ? 0 : grid_.chunk_bytes / std::max(kSlowest, rate_);
  return std::min(one.lost_at, moved_ + kPatience + kOverdue + milliseconds(static_cast<std::int64_t>(1000.0 * chunk_s)));
}

void MqttSource::deliver(std::string_view task, std::uint32_t index, std::string_view payload) {
  const MutexLock lock(mutex_);
  if (task != task_ || index >= grid_.count() || payload.size() != sizeof(Digest) + grid_.length(index)) return;
  const auto found = question(index);
  if (found == asked_.end()) return;
  const auto now = steady_clock::now();
  const auto took = std::chrono::duration<double>(now - moved_).count();
  if (std::exchange(alone_, false)) {
    rtt_ms_ = took * 1000;
  } else if (took > 0) {
    const auto rate = static_cast<double>(payload.size()) / took;
    rate_ = rate_ == 0 ? rate : rate_ + kRateWeight * (rate - rate_);
  }
  moved_ = now;
  came_any_ = true;
  doubted_ = broken_ = false;
  const bool told = probe_ == index;
  if (told) probe_.reset();
  for (auto one = asked_.begin(); one != found; ++one) {
    ++one->passed;
    if (told) one->lost_at = now + kSettle;
  }
  asked_.erase(found);
  std::erase_if(asked_, [](const Asked& one) { return one.passed >= kPassed; });
  here_bytes_ += payload.size();
  here_.emplace(index, payload);
  came_.notify_all();
}

void MqttSource::lost() {
  const MutexLock lock(mutex_);
  if (asked_.empty()) return;
  broken_ = doubted_ = true;
  probe_.reset();
}

void MqttSource::interrupt() {
  const MutexLock lock(mutex_);
  paused_ = true;
  came_.notify_all();
}

void MqttSource::resume() {
  const MutexLock lock(mutex_);
  paused_ = false;
}

}  // namespace ota::agent
