// What is logged where an exception is caught at the edge of one of the module's threads.
#pragma once

#include <fmt/format.h>

#include <exception>
#include <string_view>

#include "ota/base/fault.hpp"
#include "ota/base/log.hpp"

namespace ota::events {

/// Logs the exception that is being handled. `what`: who did what.
inline void report_exception(std::string_view what) {
  log::error(fmt::format("{} failed: {}", what, describe_exception(std::current_exception())));
}

}  // namespace ota::events
