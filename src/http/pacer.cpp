#include "http/pacer.hpp"

#include <algorithm>
#include <utility>

namespace ota::http {
namespace {

/// A slice takes an eighth of a second of the cap, so that low caps flow evenly too.
constexpr std::uint64_t kSlicesPerSecond = 8;
constexpr std::uint64_t kSmallestSlice = 512;
constexpr std::uint64_t kLargestSlice = 512 * 1024;
/// What a bucket holds: little while nobody waits, else a burst would come first; enough for a turn that comes late.
constexpr double kIdleSeconds = 0.125;
constexpr double kAwaitedSeconds = 0.5;
constexpr double kRoutineShare = 1.0 / 15;  // of what urgent ones get
/// An urgent connection that was served just now asks again after about this time.
constexpr std::chrono::milliseconds kComesBack{20};

std::size_t slice_of(std::uint64_t rate) {
  return static_cast<std::size_t>(std::clamp(rate / kSlicesPerSecond, kSmallestSlice, kLargestSlice));
}

}  // namespace

void Pacer::Bucket::fill(double rate, Time now, bool awaited) {
  if (now > at) {
    const double most = std::max(rate * (awaited ? kAwaitedSeconds : kIdleSeconds), double{kSmallestSlice});
    // What was there already stays: a cap that was lowered takes nothing back.
    level = std::max(level, std::min(level + rate * std::chrono::duration<double>(now - at).count(), most));
    at = now;
  }
}

std::uint64_t Pacer::rate(const Lane& lane) const {
  if (lane.limit == 0 || rates_.each == 0) return std::max(lane.limit, rates_.each);
  return std::min(lane.limit, rates_.each);
}

std::size_t Pacer::slice(const Lane& lane) const {
  return lane.limit > 0 ? std::min(slice(), slice_of(lane.limit)) : slice();
}

std::size_t Pacer::slice() const {
  std::size_t size = kLargestSlice;
  for (const auto rate : {rates_.all, rates_.each})
    if (rate > 0) size = std::min(size, slice_of(rate));
  return size;
}

void Pacer::set(const DownloadRates& rates, Time now) {
  Ready ready;
  {
    const std::lock_guard lock(mutex_);
    rates_ = rates;
    all_ = {0, now};
    for (auto& [key, lane] : lanes_) lane.bucket = {0, now};
    paced_.store(rates.all > 0 || rates.each > 0, std::memory_order_relaxed);
    hand_out(now, ready);
  }
  tell(ready);
}

void Pacer::ask(const Pace& pace, std::size_t wanted, Time now, Granted granted) {
  Ready ready;
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    const bool alone = turns_[false].empty() && turns_[true].empty();
    auto [at, fresh] = lanes_.try_emplace(pace.key);
    auto& lane = at->second;
    lane.limit = pace.limit;
    if (fresh) lane.bucket = {static_cast<double>(slice(lane)), now};
    auto& waiting = lane.waiting[pace.urgent];
    if (waiting.empty()) turns_[pace.urgent].push_back(pace.key);
    waiting.push_back({wanted, std::move(granted)});
    // Behind others it waits for the next turn: looking through all of them for each would cost too much.
    if (alone) hand_out(now, ready);
    wake = !std::exchange(turning_, true);
  }
  if (wake) wake_();
  tell(ready);
}

bool Pacer::turn(Time now) {
  Ready ready;
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    hand_out(now, ready);
    forget_idle(now);
    more = turning_ = !lanes_.empty();
  }
  tell(ready);
  return more;
}

void Pacer::hand_out(Time now, Ready& ready) {
  all_.fill(static_cast<double>(rates_.all), now, !turns_[false].empty() || !turns_[true].empty());
  if (turns_[true].empty() && now >= urgent_until_) routine_share_ = 0;
  for (bool more = true; more;) {
    more = routine_share_ >= static_cast<double>(slice()) && pass(false, 1, now, ready);
    more = pass(true, turns_[true].size(), now, ready) || more;
    more = pass(false, turns_[false].size(), now, ready) || more;
  }
}

/// One slice for each of at most `most` keys of that class that may have one; false where none may.
bool Pacer::pass(bool urgent, std::size_t most, Time now, Ready& ready) {
  auto& turns = turns_[urgent];
  bool served = false;
  auto at = turns.begin();
  for (std::size_t left = turns.size(); left > 0 && most > 0; --left) {
    auto& lane = lanes_.at(*at);
    auto& waiting = lane.waiting[urgent];
    const auto size = std::min(waiting.front().wanted, slice(lane));
    const auto bytes = static_cast<double>(size);
    const bool limited = rate(lane) > 0;
    if (limited) {
      lane.bucket.fill(static_cast<double>(rate(lane)), now, true);
      if (lane.bucket.level < bytes) {
        ++at;
        continue;
      }
    }
    // One that may go but for the cap on all keeps its turn, and those behind it theirs.
    if (rates_.all > 0 && !pay(urgent, bytes, now)) return served;
    if (limited) lane.bucket.level -= bytes;
    ready.emplace_back(std::move(waiting.front().granted), size);
    waiting.pop_front();
    const auto done = at++;
    if (waiting.empty())
      turns.erase(done);
    else
      turns.splice(turns.end(), turns, done);
    served = true;
    --most;
  }
  return served;
}

/// From the bucket of all; false where it holds too little for that class.
bool Pacer::pay(bool urgent, double bytes, Time now) {
  if (urgent) urgent_until_ = now + kComesBack;
  if (!urgent && now < urgent_until_ && routine_share_ < bytes) return false;
  if (all_.level < bytes) return false;
  all_.level -= bytes;
  if (!urgent)
    routine_share_ = std::max(0.0, routine_share_ - bytes);
  else if (!turns_[false].empty())
    routine_share_ = std::min(routine_share_ + bytes * kRoutineShare, 2.0 * kLargestSlice);
  return true;
}

void Pacer::forget_idle(Time now) {
  for (auto at = lanes_.begin(); at != lanes_.end();) {
    auto& lane = at->second;
    bool idle = lane.waiting[false].empty() && lane.waiting[true].empty();
    if (const auto limit = static_cast<double>(rate(lane)); idle && limit > 0) {
      lane.bucket.fill(limit, now, false);
      idle = lane.bucket.level >= std::min(limit * kIdleSeconds, static_cast<double>(slice(lane)));
    }
    at = idle ? lanes_.erase(at) : std::next(at);
  }
}

void Pacer::tell(Ready& ready) {
  for (auto& [granted, size] : ready) granted(size);
}

}  // namespace ota::http
