// The services of the machine that setup works on: otad and Mosquitto, under systemd.
#pragma once

#include "app/program.hpp"
#include "ota/setup/machine.hpp"

namespace ota::app {

/// Whether this is the machine that runs, with systemd.
bool have_services(const setup::Machine& machine);

enum class Service { restart, reload };

/// Without services nothing. The error says how to find the cause.
Result<void> change_services(const setup::Machine& machine, Service change, bool broker, bool daemon);

}  // namespace ota::app
