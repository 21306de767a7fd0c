#include "base/settings_keys.hpp"

#include <algorithm>

namespace ota {
namespace {

// `mqtt.qos`: its name and the location of its value from one macro.
#define OTAD_KEY(section, name) #section, #name, [](Settings & s) { return FieldRef(&s.section.name); }
#define OTAD_TOP_KEY(name) "", #name, [](Settings& s) { return FieldRef(&s.name); }

constexpr auto kLive = Changes::while_running;
constexpr auto kStart = Changes::at_start;
constexpr Rule kFlag{};
constexpr std::int64_t kTebi = std::int64_t{1} << 40;
constexpr int kDay = 86'400;

const Key kKeys[] = {
    {OTAD_TOP_KEY(shutdown_grace_s), range(0, 3600), kStart,
     "When otad stops, it waits this many seconds for downloads and answers in progress, then closes their "
     "connections."},

    {OTAD_KEY(mqtt, url), kBrokerUrl, kStart,
     "Address of the MQTT broker. ssl:// instead of tcp:// for TLS (see ca_file)."},
    {OTAD_KEY(mqtt, version), kMqttVersion, kStart,
     "auto: MQTT 5, and 3.1.1 if the broker refuses 5 or closes the connection. 5 or 3.1.1: only that version."},
    {OTAD_KEY(mqtt, client_id), kClientId, kStart,
     "MQTT client id. The broker keeps the session under it while otad is disconnected. Two clients with the same id "
     "disconnect each other."},
    {OTAD_KEY(mqtt, username), kMaybeName, kStart, "User name at the broker; empty: connect anonymously."},
    {OTAD_KEY(mqtt, password_file), kSecretFile, kStart,
     "File whose first line is the password, readable only by otad. The password can't be given directly."},
    {OTAD_KEY(mqtt, ca_file), kMaybePath, kStart,
     "CA certificates (PEM) that the broker's certificate is verified with; empty: those of the system."},
    {OTAD_KEY(mqtt, cert_file), kMaybePath, kStart, "Client certificate (PEM), for brokers that require one."},
    {OTAD_KEY(mqtt, key_file), kSecretFile, kStart, "Private key (PEM) of cert_file, readable only by otad."},
    {OTAD_KEY(mqtt, topic_root), kTopicRoot, kStart,
     "Prefix of all topics. Devices and the broker's access list must use the same one."},
    {OTAD_KEY(mqtt, qos), range(0, 2), kStart,
     "QoS of messages to devices. With 0, a lost message is sent again only after the device's next request."},
    {OTAD_KEY(mqtt, critical_qos), range(0, 2), kStart,
     "QoS of success, retry, failed and cancel. 2 costs one more round trip for each message."},
    {OTAD_KEY(mqtt, keepalive_s), range(1, 65535), kStart,
     "Keep-alive interval in seconds. A dead connection is detected after at most 1.5 times this."},
    {OTAD_KEY(mqtt, reconnect_min_s), range(1, 3600), kStart,
     "Delay before the first reconnection attempt, in seconds. It doubles with each further attempt, with jitter."},
    {OTAD_KEY(mqtt, reconnect_max_s), range(1, 3600), kStart,
     "Longest delay between reconnection attempts, in seconds."},

    {OTAD_KEY(http, listen), kListen, kStart,
     "Address and port for devices, and for operators unless admin_listen is set. Port 0 picks a free port and logs "
     "it. [::]:8080 listens on IPv6, localhost on 127.0.0.1."},
    {OTAD_KEY(http, admin_listen), kMaybeListen, kStart,
     "Separate address for the operators' routes; empty: they are on listen."},
    {OTAD_KEY(http, public_url), kPublicUrl, kStart,
     "Base URL of downloads, sent to devices. Empty: over HTTP the address that the device called, over MQTT one "
     "derived from listen. Required behind a proxy or a cache."},
    {OTAD_KEY(http, hosts), kHosts, kStart,
     "Further host names and addresses of this server, without ports. A request whose Host is not localhost, an "
     "address or the name of this machine, the host of public_url or one of these is answered 421."},
    {OTAD_KEY(http, cors_origins), kOrigins, kStart,
     "Origins of web pages, such as dashboards, that may call operators' routes with an API key: "
     "[\"https://dashboard.example\"]. Pages of all other origins are refused."},
    {OTAD_KEY(http, tls_cert), kMaybePath, kStart,
     "Certificate chain (PEM). If it is set, all listeners accept TLS only. The file is read again on SIGHUP."},
    {OTAD_KEY(http, tls_key), kSecretFile, kStart, "Private key (PEM) of tls_cert, readable only by otad."},
    {OTAD_KEY(http, tls_client_ca), kMaybePath, kStart,
     "CA certificates (PEM) of devices' client certificates. The common name of a certificate is the device id."},
    {OTAD_KEY(http, max_upload_bytes), range(1, kTebi), kStart,
     "Largest accepted upload in bytes. A larger one is answered 413."},
    {OTAD_KEY(http, threads), range(0, 256), kStart, "Threads that serve HTTP connections; 0: one for each core."},
    {OTAD_KEY(http, max_connections), range(1, 1'000'000), kStart,
     "Maximum number of open connections. At the limit a new connection replaces one that never finished a request, or "
     "else the longest idle one, or else it is answered 503. Each needs a file descriptor (LimitNOFILE of the systemd "
     "unit)."},
    {OTAD_KEY(http, idle_timeout_s), range(1, 3600), kStart,
     "A connection without traffic is closed after this many seconds. A TLS handshake or the header of a request must "
     "be complete within 30 s."},
    {OTAD_KEY(http, max_rate), range(0, kTebi), kLive,
     "Limit of all downloads together in bytes per second; 0: no limit."},
    {OTAD_KEY(http, max_rate_per_device), range(0, kTebi), kLive,
     "Limit of each device's downloads in bytes per second; 0: no limit."},

    {OTAD_KEY(storage, database), kDatabase, kStart,
     "SQLite database of tasks, devices and logs, on a local disk. SQLite keeps a -wal and a -shm file beside it."},
    {OTAD_KEY(storage, firmware_dir), kPath, kStart, "Folder of the images. Each file is named by its SHA-256."},
    {OTAD_KEY(storage, keep_logs_days), range(1, 36'500), kLive,
     "Retention of the audit log and of ended tasks' transfer logs, in days."},

    {OTAD_KEY(tasks, max_active), range(1, 100'000), kLive,
     "Number of slots: tasks that are offered, downloading or between two attempts. All others wait in the queue."},
    {OTAD_KEY(tasks, max_attempts), range(1, 100), kLive, "A task ends failed after this many failed attempts."},
    {OTAD_KEY(tasks, offer_timeout_s), range(1, kDay), kLive,
     "An offered task releases its slot if the device doesn't respond within this many seconds."},
    {OTAD_KEY(tasks, stall_timeout_s), range(1, kDay), kLive,
     "A download without a new chunk for this many seconds is stalled. An online device is sent the list of missing "
     "chunks; the task of a device that doesn't respond releases its slot."},
    {OTAD_KEY(tasks, confirm_timeout_s), range(1, 7 * kDay), kLive,
     "A task that must be confirmed ends failed if the device doesn't report the new version within this many seconds "
     "after verification."},
    {OTAD_KEY(tasks, retry_backoff_s), range(0, kDay), kLive,
     "Delay before the second attempt, in seconds. It doubles with each further attempt, with jitter."},
    {OTAD_KEY(tasks, retry_backoff_max_s), range(0, kDay), kLive, "Longest delay between two attempts, in seconds."},
    {OTAD_KEY(tasks, confirm), kConfirm, kLive,
     "auto: a task succeeds when the device reports that it runs the new version; for a device that never reported its "
     "version, when the image is verified. always: only with the device's report. never: when the image is verified."},
    {OTAD_KEY(tasks, keep_days), range(1, 36'500), kLive,
     "Retention of ended tasks with their transfer logs, in days."},
    {OTAD_KEY(tasks, default_expiry_s), range(0, 10 * 365 * kDay), kLive,
     "An update without expires_at expires after this many seconds; 0: never."},

    {OTAD_KEY(devices, registration), kRegistration, kStart,
     "open: an unknown device is registered with its first message. closed: it is refused until an operator registers "
     "it."},
    {OTAD_KEY(devices, present_s), range(1, 30 * kDay), kLive,
     "A device counts as online for this many seconds after its last message. Tasks of offline devices hold no slot."},
    {OTAD_KEY(devices, token_required), kFlag, kStart,
     "true: every device must send its token, over MQTT too. false: a device without a token in the registry doesn't "
     "need one."},
    {OTAD_KEY(devices, unproven_per_minute), range(1, 1'000'000), kLive,
     "Limit of new devices per minute that have neither been registered by an operator nor have a certificate. Further "
     "ones are told when to retry."},
    {OTAD_KEY(devices, forget_unproven_days), range(1, 36'500), kLive,
     "Devices that no operator registered and that have no token, certificate or operator's task are removed this many "
     "days after their last message."},

    {OTAD_KEY(devices, default_channel), kChannel, kLive, "Channel of a device that is new; it must exist."},

    {OTAD_KEY(ddi, tenant), kTenant, kStart,
     "Tenant in the URLs of hawkBit's clients (/DEFAULT/controller/v1/...), in upper or lower case."},
    {OTAD_KEY(ddi, poll_s), range(30, 86'399), kStart,
     "hawkBit's clients are told to poll after this many seconds, less a twentieth to a quarter. Their timeouts follow it."},
    {OTAD_KEY(ddi, gateway_token_file), kSecretFile, kStart,
     "File whose first line is the gateway token, readable only by otad: hawkBit's clients that send it register "
     "themselves and may act for every device without a token of its own. Empty: none."},
    {OTAD_KEY(ddi, trusted_proxies), kAddresses, kStart,
     "Addresses of reverse proxies whose X-Controller-Id names the device of a verified client certificate, and whose "
     "X-Forwarded-Proto and X-Forwarded-Host say what the device called. From others these headers are ignored."},
    {OTAD_KEY(ddi, version_attribute), kMaybeName, kLive,
     "Attribute (configData) in which devices report the version that they run; empty: none."},
    {OTAD_KEY(ddi, hardware_attribute), kMaybeName, kLive,
     "Attribute (configData) in which devices report their hardware type; empty: none."},

    {OTAD_KEY(rollouts, stages), kStages, kLive,
     "Stages of a rollout whose order has none: canary (the lesser of 10 devices and 1 %), numbers, percentages."},
    {OTAD_KEY(rollouts, max_failures), kMaxFailures, kLive,
     "Failure budget of a rollout whose order has none: the number or percentage of devices that a firmware may harm "
     "before the rollout halts. 100% switches the brakes off."},
    {OTAD_KEY(rollouts, max_failure_rate), kPercent, kLive,
     "A rollout halts when two or more devices failed and more than this share of those that installed."},
    {OTAD_KEY(rollouts, soak_s), range(1, 366 * kDay), kLive,
     "Seconds that a device must run the new version, and be seen after, before it counts as healthy."},
    {OTAD_KEY(rollouts, stage_delay_s), range(0, 366 * kDay), kLive, "Seconds between a passed stage and the next."},
    {OTAD_KEY(rollouts, stage_timeout_s), range(1, 366 * kDay), kLive,
     "A stage that is not full after this many seconds goes on without the missing devices."},

    {OTAD_KEY(fleet, living_days), range(1, 3650), kLive,
     "A device counts as part of the fleet for this many days after its last message."},

    {OTAD_KEY(events, keep_days), range(1, 36'500), kLive, "Retention of events, in days."},

    {OTAD_KEY(webhooks, allow_http), kFlag, kStart,
     "true: events may be posted to http:// URLs. The secret isn't sent, but what happens to the fleet is."},
    {OTAD_KEY(webhooks, allow_private), kFlag, kStart,
     "true: events may be posted to loopback, link-local and private addresses."},

    {OTAD_KEY(security, api_auth), kApiAuth, kStart,
     "auto: operators need an API key unless their routes are on loopback only. required: always. off: never."},
    {OTAD_KEY(security, require_signed_firmware), kFlag, kLive,
     "true: firmware without a valid signature by a trusted key is refused at upload and not offered."},
    {OTAD_KEY(security, trusted_keys_dir), kPath, kLive,
     "Folder of the vendors' public keys (Ed25519, PEM), read again on SIGHUP. The key id is the file name without "
     ".pem. Signed firmware whose key is missing here is not offered."},

    {OTAD_KEY(log, level), kLogLevel, kLive,
     "trace, debug, info, warn or error. debug logs each message of a device."},
    {OTAD_KEY(log, file), kMaybePath, kStart,
     "Log file; empty: standard error (the journal under systemd). The file is reopened on SIGHUP, for logrotate."},
    {OTAD_KEY(log, format), kLogFormat, kStart, "text, or json with one object per line."},
};

#undef OTAD_KEY
#undef OTAD_TOP_KEY

}  // namespace

std::string Key::full_name() const {
  return section.empty() ? std::string(name) : std::string(section) + "." + std::string(name);
}

std::string Key::environment() const {
  std::string text = "OTAD_" + full_name();
  for (char& c : text) {
    if (c == '.') c = '_';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

std::span<const Key> keys() { return kKeys; }

const Key* find_key(std::string_view section, std::string_view name) {
  const auto all = keys();
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const Key& key) { return key.section == section && key.name == name; });
  return at == all.end() ? nullptr : &*at;
}

bool is_section(std::string_view name) {
  const auto all = keys();
  return !name.empty() && std::any_of(all.begin(), all.end(), [&](const Key& key) { return key.section == name; });
}

SettingValue value_of(const Key& key, const Settings& settings) {
  Settings copy = settings;
  struct Read {
    SettingValue operator()(std::string* text) const { return *text; }
    SettingValue operator()(int* number) const { return std::int64_t{*number}; }
    SettingValue operator()(std::uint64_t* number) const { return static_cast<std::int64_t>(*number); }
    SettingValue operator()(bool* flag) const { return *flag; }
    SettingValue operator()(std::vector<std::string>* list) const { return *list; }
  };
  return std::visit(Read{}, key.field(copy));
}

}  // namespace ota
