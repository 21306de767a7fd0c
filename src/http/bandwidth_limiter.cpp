#include "http/bandwidth_limiter.hpp"

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

void BandwidthLimiter::Bucket::fill(double rate, Time now, bool awaited) {
  if (now > at) {
    const double most = std::max(rate * (awaited ? kAwaitedSeconds : kIdleSeconds), double{kSmallestSlice});
    // What was there already stays: a cap that was lowered takes nothing back.
    level = std::max(level, std::min(level + rate * std::chrono::duration<double>(now - at).count(), most));
    at = now;
  }
}

std::uint64_t BandwidthLimiter::rate(const Flow& flow) const {
  if (flow.limit == 0 || rates_.each == 0) return std::max(flow.limit, rates_.each);
  return std::min(flow.limit, rates_.each);
}

std::size_t BandwidthLimiter::slice(const Flow& flow) const {
  return flow.limit > 0 ? std::min(slice(), slice_of(flow.limit)) : slice();
}

std::size_t BandwidthLimiter::slice() const {
  std::size_t size = kLargestSlice;
  for (const auto rate : {rates_.all, rates_.each})
    if (rate > 0) size = std::min(size, slice_of(rate));
  return size;
}

void BandwidthLimiter::set(const DownloadRates& rates, Time now) {
  Ready ready;
  {
    const MutexLock lock(mutex_);
    rates_ = rates;
    all_ = {0, now};
    for (auto& [key, flow] : flows_) flow.bucket = {0, now};
    limits_.store(rates.all > 0 || rates.each > 0, std::memory_order_relaxed);
    hand_out(now, ready);
  }
  tell(ready);
}

void BandwidthLimiter::acquire(const Bandwidth& bandwidth, std::size_t wanted, Time now, Granted granted) {
  Ready ready;
  bool wake = false;
  {
    const MutexLock lock(mutex_);
    const bool alone = turns_[false].empty() && turns_[true].empty();
    auto [at, fresh] = flows_.try_emplace(bandwidth.key);
    auto& flow = at->second;
    flow.limit = bandwidth.limit;
    if (fresh) flow.bucket = {static_cast<double>(slice(flow)), now};
    auto& waiting = flow.waiting[bandwidth.urgent];
    if (waiting.empty()) turns_[bandwidth.urgent].push_back(bandwidth.key);
    waiting.push_back({wanted, std::move(granted)});
    // Behind others it waits for the next turn: looking through all of them for each would cost too much.
    if (alone) hand_out(now, ready);
    wake = !std::exchange(refilling_, true);
  }
  if (wake) wake_();
  tell(ready);
}

bool BandwidthLimiter::refill(Time now) {
  Ready ready;
  bool more = false;
  {
    const MutexLock lock(mutex_);
    hand_out(now, ready);
    forget_idle(now);
    more = refilling_ = !flows_.empty();
  }
  tell(ready);
  return more;
}

void BandwidthLimiter::hand_out(Time now, Ready& ready) {
  all_.fill(static_cast<double>(rates_.all), now, !turns_[false].empty() || !turns_[true].empty());
  if (turns_[true].empty() && now >= urgent_until_) routine_share_ = 0;
  for (bool more = true; more;) {
    more = routine_share_ >= static_cast<double>(slice()) && pass(false, 1, now, ready);
    more = pass(true, turns_[true].size(), now, ready) || more;
    more = pass(false, turns_[false].size(), now, ready) || more;
  }
}

/// One slice for each of at most `most` keys of that class that may have one; false where none may.
bool BandwidthLimiter::pass(bool urgent, std::size_t most, Time now, Ready& ready) {
  auto& turns = turns_[urgent];
  bool served = false;
  auto at = turns.begin();
  for (std::size_t left = turns.size(); left > 0 && most > 0; --left) {
    auto& flow = flows_.at(*at);
    auto& waiting = flow.waiting[urgent];
    const auto size = std::min(waiting.front().wanted, slice(flow));
    const auto bytes = static_cast<double>(size);
    const bool limited = rate(flow) > 0;
    if (limited) {
      flow.bucket.fill(static_cast<double>(rate(flow)), now, true);
      if (flow.bucket.level < bytes) {
        ++at;
        continue;
      }
    }
    // One that may go but for the cap on all keeps its turn, and those behind it theirs.
    if (rates_.all > 0 && !take(urgent, bytes, now)) return served;
    if (limited) flow.bucket.level -= bytes;
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
bool BandwidthLimiter::take(bool urgent, double bytes, Time now) {
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

void BandwidthLimiter::forget_idle(Time now) {
  for (auto at = flows_.begin(); at != flows_.end();) {
    auto& flow = at->second;
    bool idle = flow.waiting[false].empty() && flow.waiting[true].empty();
    if (const auto limit = static_cast<double>(rate(flow)); idle && limit > 0) {
      flow.bucket.fill(limit, now, false);
      idle = flow.bucket.level >= std::min(limit * kIdleSeconds, static_cast<double>(slice(flow)));
    }
    at = idle ? flows_.erase(at) : std::next(at);
  }
}

void BandwidthLimiter::tell(Ready& ready) {
  for (auto& [granted, size] : ready) granted(size);
}

}  // namespace ota::http
