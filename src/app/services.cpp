#include "app/services.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <iostream>

namespace ota::app {
namespace {

Result<void> change_one(const char* verb, const char* unit) {
  const auto status = run_program({"systemctl", {verb, unit}});
  if (!status) return status.error();
  if (*status != 0)
    return fail(Errc::server_fault, fmt::format("systemctl {} {} failed: see journalctl -u {}", verb, unit, unit));
  std::cout << fmt::format("{}ed {}\n", verb, unit);
  return {};
}

}  // namespace

bool have_services(const setup::Machine& machine) {
  std::error_code error;
  return machine.root == "/" && std::filesystem::exists("/run/systemd/system", error);
}

Result<void> change_services(const setup::Machine& machine, const char* verb, bool broker, bool daemon) {
  if (!have_services(machine)) return {};
  if (broker)
    if (auto done = change_one(verb, "mosquitto.service"); !done) return done;
  return daemon ? change_one(verb, "otad.service") : Result<void>();
}

}  // namespace ota::app
