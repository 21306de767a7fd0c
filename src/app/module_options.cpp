#include "app/module_options.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "app/secrets.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::app {

engine::Options engine_options(const Settings& settings) {
  engine::Options options;
  options.tasks = settings.tasks;
  options.devices = settings.devices;
  options.ddi = settings.ddi;
  options.rollouts = settings.rollouts;
  options.fleet = settings.fleet;
  options.events = settings.events;
  options.keep_logs_days = settings.storage.keep_logs_days;
  return options;
}

Result<device::Options> device_options(const Settings& settings) {
  const auto folder = std::filesystem::path(settings.storage.database).parent_path();
  auto keys = signing_keys(folder);
  if (!keys) return keys.error();
  device::Options options;
  options.topic_root = settings.mqtt.topic_root;
  options.qos = settings.mqtt.qos;
  options.critical_qos = settings.mqtt.critical_qos;
  options.public_url = settings.http.public_url;
  options.tls = !settings.http.tls_cert.empty();
  options.signing_keys = std::move(*keys);
  return options;
}

Result<ddi::Options> ddi_options(const Settings& settings) {
  const auto token = read_gateway_token(settings.ddi);
  if (!token) return token.error();
  ddi::Options options;
  options.tenant = settings.ddi.tenant;
  options.poll = std::chrono::seconds(settings.ddi.poll_s);
  if (!token->empty()) options.gateway_token = firmware::sha256(*token);
  options.trusted_proxies = settings.ddi.trusted_proxies;
  options.public_url = settings.http.public_url;
  options.tls = !settings.http.tls_cert.empty();
  return options;
}

mqtt::Options broker_options(const MqttSettings& settings, std::string password) {
  mqtt::Options options;
  options.url = settings.url;
  options.version = mqtt::parse_version(settings.version).value_or(mqtt::Version::automatic);
  options.client_id = settings.client_id;
  options.username = settings.username;
  options.password = std::move(password);
  options.ca_file = settings.ca_file;
  options.cert_file = settings.cert_file;
  options.key_file = settings.key_file;
  options.subscribe_qos = std::max(settings.qos, settings.critical_qos);
  options.keepalive = std::chrono::seconds(settings.keepalive_s);
  options.reconnect_min = std::chrono::seconds(settings.reconnect_min_s);
  options.reconnect_max = std::chrono::seconds(settings.reconnect_max_s);
  return options;
}

http::DownloadRates download_rates(const HttpSettings& settings) {
  return {settings.max_rate, settings.max_rate_per_device};
}

}  // namespace ota::app
