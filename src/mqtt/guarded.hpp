// Catches exceptions at the edge of the module's threads and of Paho's.
#pragma once

#include <exception>
#include <string_view>

namespace ota::mqtt {

/// Logs that handling `what` failed, at most once a second; omitted lines are counted in the next one.
void report_exception(std::string_view what, const char* cause) noexcept;

/// Runs `work` and catches exceptions. False if there was one, which is then logged.
template <class Work>
bool guarded(std::string_view what, Work&& work) noexcept {
  try {
    work();
    return true;
  } catch (const std::exception& fault) {
    report_exception(what, fault.what());
  } catch (...) {
    report_exception(what, "an exception of unknown type");
  }
  return false;
}

}  // namespace ota::mqtt
