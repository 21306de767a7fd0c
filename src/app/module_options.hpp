// The modules' options, from the settings.
#pragma once

#include <string>

#include "ota/base/settings.hpp"
#include "ota/ddi/api.hpp"
#include "ota/device/api.hpp"
#include "ota/engine/engine.hpp"
#include "ota/http/server.hpp"
#include "ota/mqtt/client.hpp"

namespace ota::app {

/// All but `trust`.
engine::Options engine_options(const Settings& settings);
/// All but `hosts`. Reads the keys of download URLs, or makes them: the errors of signing_keys().
Result<device::Options> device_options(const Settings& settings);
/// All but `hosts`. The errors of read_gateway_token().
Result<ddi::Options> ddi_options(const Settings& settings);
/// All but `subscriptions`.
mqtt::Options broker_options(const MqttSettings& settings, std::string password);
http::DownloadRates download_rates(const HttpSettings& settings);

}  // namespace ota::app
