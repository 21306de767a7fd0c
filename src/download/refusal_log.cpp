#include "ota/download/refusal_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ota/base/log.hpp"
#include "ota/base/url.hpp"
#include "ota/wire/errors.hpp"

namespace ota::download {
namespace {
constexpr std::size_t kLongestPath = 200;
constexpr std::size_t kPeers = std::size_t{1} << 12;
constexpr std::size_t kLongestName = 128;
constexpr std::size_t kNames = 64;
constexpr std::size_t kNamesShown = 3;
constexpr std::array kIntervals{Millis{1'000}, Millis{10'000}, Millis{60'000}};
constexpr Millis kQuiet{10 * 60'000};  // then the intervals begin anew

std::string_view host_of(std::string_view from) {
  const auto peer = parse_authority(from);
  return peer ? std::string_view(peer->host) : from;
}
}  // namespace

RefusalLog::RefusalLog(const Clock& clock)
    : clock_(clock),
      of_name_(clock, 1.0 / 60, kLinesOfDevice, kPeers),
      of_all_(clock, 1.0 / 10, kLines, 1),
      ignored_(clock, 1.0 / 3600, 1, kPeers) {}

bool RefusalLog::may_write(std::string_view name) {
  const bool permitted = of_name_.take(std::hash<std::string_view>{}(name)) == 0 && of_all_.take(0) == 0;
  std::string summary;
  {
    const auto now = clock_.steady();
    const MutexLock lock(mutex_);
    if (!permitted) leave_out(name, now);
    if (left_out_ > 0 && now - since_ >= kIntervals.at(interval_)) summary = take_summary();
  }
  if (!summary.empty()) log::warn(summary);
  return permitted;
}

/// Counts by Misra and Gries: a name that is more than one in kNames of all stays, however many others there are.
void RefusalLog::leave_out(std::string_view name, Millis now) {
  name = name.substr(0, kLongestName);
  if (left_out_++ == 0) since_ = now;
  if (now - last_ >= kQuiet) interval_ = 0;
  last_ = now;
  if (const auto known = names_.find(name); known != names_.end()) {
    ++known->second;
  } else if (names_.size() < kNames) {
    names_.emplace(name, 1);
  } else {
    for (auto& [other, count] : names_) --count;
    std::erase_if(names_, [](const auto& one) { return one.second == 0; });
  }
}

std::string RefusalLog::take_summary() {
  std::vector<std::pair<std::uint64_t, std::string>> most;
  for (const auto& [name, count] : names_)
    if (!name.empty()) most.emplace_back(count, name);
  std::sort(most.begin(), most.end(), std::greater<>());
  if (most.size() > kNamesShown) most.resize(kNamesShown);
  auto line = fmt::format("{} more refusals in {} s were not logged", std::exchange(left_out_, 0),
                          std::max<std::int64_t>(std::chrono::ceil<std::chrono::seconds>(last_ - since_).count(), 1));
  const char* before = ", most of ";
  for (const auto& [count, name] : most) line += std::exchange(before, ", ") + name;
  names_.clear();
  interval_ = std::min(interval_ + 1, kIntervals.size() - 1);
  return line;
}

void RefusalLog::write_unsent(std::string_view device, const std::optional<TaskId>& task, std::string_view type,
                              std::string_view why) {
  if (!may_write(device)) return;
  auto line = fmt::format("not sent device={}", device);
  if (task) line += fmt::format(" task={}", task->str());
  line += fmt::format(": {}: {}", type, why);
  log::warn(line);
}

void RefusalLog::write_ignored(std::string_view header, const Source& source) {
  const auto host = host_of(source.from);
  if (ignored_.take(std::hash<std::string_view>{}(host)) > 0 || !may_write(host)) return;
  log::warn(fmt::format("ignored from={} path={}: the header {} counts from addresses in ddi.trusted_proxies only",
                        host, source.path.substr(0, kLongestPath), header));
}

void RefusalLog::write(std::string_view device, const std::optional<TaskId>& task, const Error& error,
                       const Source& source) {
  if (!may_write(device.empty() ? host_of(source.from) : device)) return;
  std::string line = "refused";
  if (!device.empty()) line += fmt::format(" device={}", device);
  if (task) line += fmt::format(" task={}", task->str());
  if (!source.from.empty()) line += fmt::format(" from={}", source.from);
  if (!source.path.empty()) line += fmt::format(" path={}", source.path.substr(0, kLongestPath));
  line += fmt::format(" code={}: {}", wire::rest_code(error.code), error.message);
  const auto level =
      wire::protocol_code(error.code) == wire::protocol_code(Errc::server_fault) ? log::Level::error : log::Level::warn;
  log::write(level, line);
}

}  // namespace ota::download
