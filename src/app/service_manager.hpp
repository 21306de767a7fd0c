// Notifications to systemd (sd_notify(3), sd_watchdog_enabled(3)); no effect if it didn't start the daemon.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace ota::app {

void notify_ready(const std::string& status);
void notify_reloading();
void notify_stopping();
void notify_status(const std::string& status);
void notify_alive();

/// WatchdogSec of the unit; nothing if it isn't set.
std::optional<std::chrono::milliseconds> watchdog_time();

}  // namespace ota::app
