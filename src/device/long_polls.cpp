#include "device/long_polls.hpp"

#include <algorithm>
#include <utility>

namespace ota::device {

std::optional<std::string> LongPolls::take_kept(const std::string& device) {
  const auto at = std::find_if(kept_.begin(), kept_.end(), [&](const auto& item) { return item.first == device; });
  if (at == kept_.end()) return std::nullopt;
  auto payload = std::move(at->second);
  kept_.erase(at);
  return payload;
}

std::optional<std::uint64_t> LongPolls::open(const std::string& device, std::string base, PollDone done) {
  PollDone ended;  // this poll, if a payload was kept for it, or else the older one
  std::optional<std::string> kept;
  std::uint64_t number = 0;
  {
    const MutexLock lock(mutex_);
    const auto at = polls_.find(device);
    if (stopped_ || (at == polls_.end() && polls_.size() >= kMaxPolls)) return std::nullopt;
    number = ++last_;
    kept = take_kept(device);  // a payload is kept only while no poll is open
    if (kept) {
      ended = std::move(done);
    } else {
      auto& poll = at == polls_.end() ? polls_[device] : at->second;
      ended = std::exchange(poll.done, std::move(done));
      poll.number = number;
      poll.base = std::move(base);
    }
  }
  if (ended) ended(std::move(kept));
  return number;
}

void LongPolls::forget_kept(const std::string& device) {
  const MutexLock lock(mutex_);
  take_kept(device);
}

void LongPolls::close(const std::string& device, std::uint64_t poll) {
  PollDone done;
  {
    const MutexLock lock(mutex_);
    const auto at = polls_.find(device);
    if (at == polls_.end() || at->second.number != poll) return;
    done = std::move(at->second.done);
    polls_.erase(at);
  }
  done(std::nullopt);
}

bool LongPolls::waits(const std::string& device) const {
  const MutexLock lock(mutex_);
  return polls_.contains(device);
}

void LongPolls::deliver(const std::string& device, const PayloadFor& payload, bool kept) {
  Poll poll;
  {
    const MutexLock lock(mutex_);
    const auto at = polls_.find(device);
    if (at == polls_.end()) {
      take_kept(device);
      if (!kept) return;
      if (kept_.size() == kMaxKept) kept_.pop_front();
      kept_.emplace_back(device, payload({}));
      return;
    }
    poll = std::move(at->second);
    polls_.erase(at);
  }
  poll.done(payload(poll.base));
}

void LongPolls::stop() {
  std::unordered_map<std::string, Poll> open;
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
    open.swap(polls_);
  }
  for (auto& [device, poll] : open) poll.done(std::nullopt);
}

}  // namespace ota::device
