#include "app/services.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <iostream>

namespace ota::app {
namespace {

Result<void> change_one(Service change, const char* unit) {
  const bool restart = change == Service::restart;
  // Not `systemctl reload`: Mosquitto's unit calls /bin/kill for that, which a small Debian doesn't have.
  const auto status = run_program({"systemctl", restart ? std::vector<std::string>{"restart", unit}
                                                        : std::vector<std::string>{"kill", "--kill-who=main", "--signal=HUP", unit}});
  if (!status) return status.error();
  if (*status != 0)
    return fail(Errc::server_fault, fmt::format("{} {}: see journalctl -u {}", unit,
                                                restart ? "doesn't start again" : "isn't running", unit));
  std::cout << fmt::format("{} {}\n", restart ? "restarted" : "reloaded", unit);
  return {};
}

}  // namespace

bool have_services(const setup::Machine& machine) {
  std::error_code error;
  return machine.root == "/" && std::filesystem::exists("/run/systemd/system", error);
}

Result<void> change_services(const setup::Machine& machine, Service change, bool broker, bool daemon) {
  if (!have_services(machine)) return {};
  if (broker)
    if (auto done = change_one(change, "mosquitto.service"); !done) return done;
  return daemon ? change_one(change, "otad.service") : Result<void>();
}

}  // namespace ota::app
