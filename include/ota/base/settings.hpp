// The daemon's settings (docs/operating.md, Settings): one struct for each section, with its defaults.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ota/base/result.hpp"

namespace ota {

struct MqttSettings {
  std::string url = "tcp://127.0.0.1:1883";
  std::string version = "auto";  ///< auto | 5 | 3.1.1
  std::string client_id = "otad";
  std::string username;
  std::string password_file;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string topic_root = "/ota";
  int qos = 1;
  int critical_qos = 1;
  int keepalive_s = 60;
  int reconnect_min_s = 1;
  int reconnect_max_s = 120;
};

struct HttpSettings {
  std::string listen = "0.0.0.0:8080";
  std::string admin_listen;        ///< empty: operators' routes on `listen`
  std::string public_url;          ///< empty: from the listen address
  std::vector<std::string> hosts;  ///< further names and addresses of this server, without ports
  std::vector<std::string> cors_origins;  ///< `https://host[:port]` of pages that may call operators' routes
  std::string tls_cert;
  std::string tls_key;
  std::string tls_client_ca;
  std::uint64_t max_upload_bytes = 4ull << 30;
  int threads = 0;  ///< 0: one for each core
  int max_connections = 10'000;
  int idle_timeout_s = 60;
  std::uint64_t max_rate = 0;             ///< bytes/s of all downloads; 0: no limit
  std::uint64_t max_rate_per_device = 0;  ///< bytes/s; 0: no limit
};

struct StorageSettings {
  std::string database = "/var/lib/otad/otad.db";
  std::string firmware_dir = "/var/lib/otad/firmware";
  int keep_logs_days = 90;
};

struct TaskSettings {
  int max_active = 100;
  int max_attempts = 3;
  int offer_timeout_s = 60;
  int stall_timeout_s = 60;
  int confirm_timeout_s = 900;
  int retry_backoff_s = 2;
  int retry_backoff_max_s = 60;
  std::string confirm = "auto";  ///< auto | always | never
  int keep_days = 365;
  int default_expiry_s = 0;  ///< 0: none
};

struct DeviceSettings {
  std::string registration = "open";  ///< open | closed
  int present_s = 300;
  bool token_required = false;
  int unproven_per_minute = 600;
  int forget_unproven_days = 7;
  std::string default_channel = "default";  ///< of a device that is new
};

/// hawkBit's device interface.
struct DdiSettings {
  std::string tenant = "DEFAULT";            ///< in any case
  int poll_s = 300;
  std::string gateway_token_file;            ///< empty: no gateway token
  std::vector<std::string> trusted_proxies;  ///< addresses
  std::string version_attribute;   ///< the attribute that says which version a device runs; empty: none
  std::string hardware_attribute;  ///< the same of its hardware type
};

/// What a rollout has where its order doesn't say.
struct RolloutSettings {
  std::vector<std::string> stages{"canary", "1%", "10%", "100%"};
  std::string max_failures = "1%";
  std::string max_failure_rate = "5%";
  int soak_s = 1'800;
  int stage_delay_s = 3'600;
  int stage_timeout_s = 86'400;
};

struct FleetSettings {
  int living_days = 7;
};

struct EventSettings {
  int keep_days = 14;
};

struct WebhookSettings {
  bool allow_http = false;
  bool allow_private = false;
};

struct SecuritySettings {
  std::string api_auth = "auto";  ///< auto | required | off
  bool require_signed_firmware = false;
  std::string trusted_keys_dir = "/etc/otad/keys";
};

struct LogSettings {
  std::string level = "info";   ///< trace | debug | info | warn | error
  std::string file;             ///< empty: standard error
  std::string format = "text";  ///< text | json
};

enum class SettingSource { default_, file, environment };

/// Who set a key.
struct SettingOrigin {
  SettingSource source = SettingSource::default_;
  std::string place;  ///< `/etc/otad/otad.toml:12`, `OTAD_MQTT_URL`; empty: nobody did
};

struct Settings {
  MqttSettings mqtt;
  HttpSettings http;
  StorageSettings storage;
  TaskSettings tasks;
  DeviceSettings devices;
  DdiSettings ddi;
  RolloutSettings rollouts;
  FleetSettings fleet;
  EventSettings events;
  WebhookSettings webhooks;
  SecuritySettings security;
  LogSettings log;
  int shutdown_grace_s = 10;

  /// Of the keys that the file or the environment set, by name (`mqtt.url`).
  std::map<std::string, SettingOrigin, std::less<>> origins;
};

/// The environment of the process (`OTAD_MQTT_URL=…`); tests use their own.
using Environment = std::vector<std::string>;
Environment process_environment();

/// Defaults, then the TOML file (none if `file` is empty), then `OTAD_…` variables. Unknown keys, wrong types and
/// values out of range are errors that name file, line and key (or the variable), with a suggestion. `Error::fields`
/// has all of them (code malformed), the message the first. Opens only `file`.
Result<Settings> load_settings(const std::string& file, const Environment& environment);

/// The settings as TOML, each key with its value and description, for `--print-config`. load_settings() accepts the
/// result. Settings contain no secrets, only names of files with secrets.
std::string to_toml(const Settings& settings);

/// A warning for each variable that begins with OTAD_ and sets no known key. It isn't an error, because container
/// platforms create such variables from service names (OTAD_PORT, OTAD_SERVICE_HOST).
std::vector<std::string> unknown_variables(const Environment& environment);

/// A key whose value differs, with both values in TOML.
struct SettingChange {
  std::string key;  ///< `mqtt.url`
  std::string from;
  std::string to;
  bool live = false;  ///< takes effect while running
};

/// In the order of the sample file. For SIGHUP.
std::vector<SettingChange> changes_between(const Settings& running, const Settings& wanted);

using SettingValue = std::variant<std::string, std::int64_t, bool, std::vector<std::string>>;

/// A key as it is in force, for people.
struct SettingView {
  std::string key;  ///< `mqtt.url`
  SettingValue value;
  SettingValue by_default;
  SettingValue wanted;  ///< another than `value`: it is in force after a restart
  SettingOrigin origin;
  bool live = false;    ///< a reload applies a change
  bool secret = false;  ///< the value is the name of a file with a secret: not to be shown
  std::string_view description;
};

/// Each key, in the order of the sample file. `wanted`: what the file and the environment said last.
std::vector<SettingView> settings_in_force(const Settings& running, const Settings& wanted);

/// `running` with those values of `wanted` that can change while running. For SIGHUP.
Settings with_changes(const Settings& running, const Settings& wanted);

}  // namespace ota
