#include "mqtt/guarded.hpp"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdint>

#include "ota/base/log.hpp"

namespace ota::mqtt {
namespace {

/// True once a second; `before` is how often it was false since.
bool may_report(std::uint64_t& before) {
  static std::atomic<std::int64_t> last{-1};
  static std::atomic<std::uint64_t> left_out{0};
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto second = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  if (last.exchange(second) == second) {
    ++left_out;
    return false;
  }
  before = left_out.exchange(0);
  return true;
}

}  // namespace

void report_exception(std::string_view what, const char* cause) noexcept {
  try {
    std::uint64_t before = 0;
    if (!may_report(before)) return;
    auto line = fmt::format("mqtt: handling {} failed: {}", what, cause);
    if (before > 0) line += fmt::format(" ({} more were not logged)", before);
    log::error(line);
  } catch (...) {  // no memory for a line: nothing is left to do
  }
}

}  // namespace ota::mqtt
