#include "ota/download/refusal_log.hpp"

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "ota/base/log.hpp"
#include "ota/base/url.hpp"
#include "ota/wire/errors.hpp"

namespace ota::download {
namespace {
constexpr std::size_t kLongestPath = 200;
constexpr std::size_t kPeers = std::size_t{1} << 12;
}  // namespace

RefusalLog::RefusalLog(const Clock& clock) : clock_(clock), ignored_(clock, 1.0 / 3600, 1, kPeers) {}

bool RefusalLog::may_write(std::string_view device, std::uint64_t& left_out) {
  const auto second = std::chrono::floor<std::chrono::seconds>(clock_.steady());
  const MutexLock lock(mutex_);
  if (second != second_) {
    second_ = second;
    lines_ = 0;
    of_device_.clear();
  }
  auto mine = of_device_.find(device);
  if (lines_ == kLinesPerSecond || (mine != of_device_.end() && mine->second == kLinesOfDevice)) {
    ++left_out_;
    return false;
  }
  ++lines_;
  if (mine == of_device_.end()) mine = of_device_.emplace(device, 0).first;
  ++mine->second;
  left_out = std::exchange(left_out_, 0);
  return true;
}

void RefusalLog::write_unsent(std::string_view device, const std::optional<TaskId>& task, std::string_view type,
                              std::string_view why) {
  std::uint64_t left_out = 0;
  if (!may_write(device, left_out)) return;
  auto line = fmt::format("not sent device={}", device);
  if (task) line += fmt::format(" task={}", task->str());
  line += fmt::format(": {}: {}", type, why);
  if (left_out > 0) line += fmt::format(" ({} more were not logged)", left_out);
  log::warn(line);
}

void RefusalLog::write_ignored(std::string_view header, const Source& source) {
  const auto peer = parse_authority(source.from);
  const auto host = peer ? std::string_view(peer->host) : source.from;
  std::uint64_t left_out = 0;
  if (ignored_.take(std::hash<std::string_view>{}(host)) > 0 || !may_write(host, left_out)) return;
  auto line = fmt::format("ignored from={} path={}: the header {} counts from addresses in ddi.trusted_proxies only",
                          host, source.path.substr(0, kLongestPath), header);
  if (left_out > 0) line += fmt::format(" ({} more were not logged)", left_out);
  log::warn(line);
}

void RefusalLog::write(std::string_view device, const std::optional<TaskId>& task, const Error& error,
                       const Source& source) {
  std::uint64_t left_out = 0;
  if (!may_write(device, left_out)) return;
  std::string line = "refused";
  if (!device.empty()) line += fmt::format(" device={}", device);
  if (task) line += fmt::format(" task={}", task->str());
  if (!source.from.empty()) line += fmt::format(" from={}", source.from);
  if (!source.path.empty()) line += fmt::format(" path={}", source.path.substr(0, kLongestPath));
  line += fmt::format(" code={}: {}", wire::rest_code(error.code), error.message);
  if (left_out > 0) line += fmt::format(" ({} more refusals were not logged)", left_out);
  const auto level =
      wire::protocol_code(error.code) == wire::protocol_code(Errc::server_fault) ? log::Level::error : log::Level::warn;
  log::write(level, line);
}

}  // namespace ota::download
