// The owner's commands for an update: install, health, reboot.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>

#include "agent/command.hpp"
#include "agent/messages.hpp"
#include "agent/options.hpp"

namespace ota::agent {

/// Runs the install command on the image and waits, at most for the install timeout.
Outcome run_install(const Options& options, const std::string& device, const Assignment& task,
                    const std::filesystem::path& image, const std::atomic<bool>& interrupted);

/// Runs the health command once, for at most `timeout`; a success if there is none.
Outcome run_health(const Options& options, const std::string& device, const Assignment& task,
                   std::chrono::seconds timeout, const std::atomic<bool>& interrupted);

/// Runs the reboot command; a success if there is none.
Outcome run_reboot(const Options& options, const std::string& device, const Assignment& task,
                   const std::atomic<bool>& interrupted);

}  // namespace ota::agent
