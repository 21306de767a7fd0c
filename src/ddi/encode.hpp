// Answers to hawkBit's clients, from values to JSON (docs/hawkbit.md).
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "ota/base/result.hpp"
#include "ota/domain/firmware.hpp"
#include "ota/engine/actions.hpp"

namespace ota::ddi {

/// `http://gw:8080/DEFAULT/controller/v1/gw-17`: what all links of a device begin with.
using DeviceUrl = std::string;

std::string poll_json(const engine::PollAnswer& answer, const DeviceUrl& url, std::chrono::seconds sleep);

/// `deploymentBase` and `installedBase`. `history`: with the action's messages. Precondition: the firmware has a file.
std::string deployment_json(const engine::ActionView& view, const DeviceUrl& url, bool history);

std::string cancel_json(ActionId action);

/// The artifacts of a module: the one that a firmware has. Precondition: it has a file.
std::string artifacts_json(const Firmware& firmware, const DeviceUrl& url);

/// The confirmation flow is off: whatever is offered may be installed.
std::string confirmation_json(const DeviceUrl& url);

std::string error_json(const Error& error);

/// The body of `….MD5SUM`. Precondition: the firmware has a file.
std::string md5sum(const FirmwareFile& file);

}  // namespace ota::ddi
