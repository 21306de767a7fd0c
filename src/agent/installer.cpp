#include "agent/installer.hpp"

#include <algorithm>

namespace ota::agent {
namespace {

constexpr std::chrono::seconds kRebootPatience{60};

std::vector<std::string> variables(const std::string& device, const Assignment& task) {
  return {"OTA_VERSION=" + task.version, "OTA_DEVICE=" + device, "OTA_HARDWARE=" + task.hardware};
}

Outcome nothing_to_run() {
  Outcome outcome;
  outcome.kind = Outcome::Kind::exited;
  return outcome;
}

}  // namespace

Outcome run_install(const Options& options, const std::string& device, const Assignment& task,
                    const std::filesystem::path& image, const std::atomic<bool>& interrupted) {
  auto environment = variables(device, task);
  environment.push_back("OTA_IMAGE=" + image.string());
  environment.push_back("OTA_REBOOT_STATUS=" + std::to_string(options.reboot_status));
  const Command command{options.install_command,
                        {image.string()},
                        std::move(environment),
                        std::chrono::seconds(options.install_timeout_s)};
  return run_command(command, interrupted);
}

Outcome run_health(const Options& options, const std::string& device, const Assignment& task,
                   std::chrono::seconds timeout, const std::atomic<bool>& interrupted) {
  if (options.health_command.empty()) return nothing_to_run();
  return run_command({options.health_command, {}, variables(device, task), std::max(timeout, std::chrono::seconds(1))},
                     interrupted);
}

Outcome run_reboot(const Options& options, const std::string& device, const Assignment& task,
                   const std::atomic<bool>& interrupted) {
  if (options.reboot_command.empty()) return nothing_to_run();
  return run_command({options.reboot_command, {}, variables(device, task), kRebootPatience}, interrupted);
}

}  // namespace ota::agent
