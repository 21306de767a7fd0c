// Whether the device's owner lets an update be installed now.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string>

#include "agent/command.hpp"
#include "agent/messages.hpp"
#include "agent/options.hpp"
#include "ota/base/clock.hpp"

namespace ota::agent {

/// How long an update is postponed where the command names no time, and the longest time that it may name.
inline constexpr std::chrono::hours kPostponed{1};
inline constexpr std::chrono::hours kMostPostponed{30 * 24};

/// Runs `--may-install`, for at most a minute. Precondition: there is one.
Outcome run_may_install(const Options& options, const std::string& device, const Assignment& task,
                        const std::atomic<bool>& interrupted);

/// What its outcome means: nothing for "now", else the time until which the install is postponed, at least a second
/// after `now`. Only exit status 0 means "now": also a command that can't be started or takes too long postpones.
std::optional<WallTime> postponed_until(const Outcome& outcome, WallTime now);

}  // namespace ota::agent
