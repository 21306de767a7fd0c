#include "api/device_lines.hpp"

#include <algorithm>
#include <utility>

namespace ota::api {

std::optional<std::string> DeviceLines::take_kept(const std::string& device) {
  const auto at = std::find_if(kept_.begin(), kept_.end(), [&](const auto& item) { return item.first == device; });
  if (at == kept_.end()) return std::nullopt;
  auto payload = std::move(at->second);
  kept_.erase(at);
  return payload;
}

std::optional<std::uint64_t> DeviceLines::open(const std::string& device, std::string base, LineDone done) {
  LineDone older;
  std::optional<std::string> kept;
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto at = lines_.find(device);
    if (stopped_ || (at == lines_.end() && lines_.size() >= kMaxLines)) return std::nullopt;
    number = ++last_;
    kept = take_kept(device);  // only where no line is open
    if (!kept) {
      auto& line = at == lines_.end() ? lines_[device] : at->second;
      older = std::exchange(line.done, std::move(done));
      line.number = number;
      line.base = std::move(base);
    }
  }
  if (kept) done(std::move(kept));
  if (older) older(std::nullopt);
  return number;
}

void DeviceLines::forget_kept(const std::string& device) {
  const std::lock_guard lock(mutex_);
  take_kept(device);
}

void DeviceLines::close(const std::string& device, std::uint64_t line) {
  LineDone done;
  {
    const std::lock_guard lock(mutex_);
    const auto at = lines_.find(device);
    if (at == lines_.end() || at->second.number != line) return;
    done = std::move(at->second.done);
    lines_.erase(at);
  }
  done(std::nullopt);
}

bool DeviceLines::waits(const std::string& device) const {
  const std::lock_guard lock(mutex_);
  return lines_.contains(device);
}

void DeviceLines::deliver(const std::string& device, const PayloadFor& payload, bool kept) {
  Line line;
  {
    const std::lock_guard lock(mutex_);
    const auto at = lines_.find(device);
    if (at == lines_.end()) {
      take_kept(device);
      if (!kept) return;
      if (kept_.size() == kMaxKept) kept_.pop_front();
      kept_.emplace_back(device, payload({}));
      return;
    }
    line = std::move(at->second);
    lines_.erase(at);
  }
  line.done(payload(line.base));
}

void DeviceLines::stop() {
  std::unordered_map<std::string, Line> open;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    open.swap(lines_);
  }
  for (auto& [device, line] : open) line.done(std::nullopt);
}

}  // namespace ota::api
