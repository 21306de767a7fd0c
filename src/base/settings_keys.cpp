#include "base/settings_keys.hpp"

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
     "How long a stop waits for downloads and answers under way before it cuts them, in seconds."},

    {OTAD_KEY(mqtt, url), kBrokerUrl, kStart, "The broker. ssl:// instead of tcp:// for TLS (see ca_file)."},
    {OTAD_KEY(mqtt, version), kMqttVersion, kStart,
     "auto: MQTT 5, and 3.1.1 where the broker refuses 5 or hangs up on it. 5 or 3.1.1: that one alone."},
    {OTAD_KEY(mqtt, client_id), kClientId, kStart,
     "The broker keeps the session under this name while otad is away; two daemons with one name throw each other "
     "out."},
    {OTAD_KEY(mqtt, username), kMaybeName, kStart, "Who otad is to the broker; empty: it comes without a name."},
    {OTAD_KEY(mqtt, password_file), kMaybePath, kStart,
     "A file whose first line is the password; readable for otad alone. The password itself stands in no setting."},
    {OTAD_KEY(mqtt, ca_file), kMaybePath, kStart,
     "PEM with the authorities that may vouch for the broker; empty with ssl://: those of the system."},
    {OTAD_KEY(mqtt, cert_file), kMaybePath, kStart, "PEM: otad's certificate, for brokers that want one."},
    {OTAD_KEY(mqtt, key_file), kMaybePath, kStart, "PEM: the private key of cert_file; readable for otad alone."},
    {OTAD_KEY(mqtt, topic_root), kTopicRoot, kStart,
     "What all topics begin with. Devices and the broker's access list must have the same."},
    {OTAD_KEY(mqtt, qos), range(0, 2), kStart,
     "Quality of service of control messages. With 0 a lost message waits for the device to ask again."},
    {OTAD_KEY(mqtt, critical_qos), range(0, 2), kStart,
     "The same for success, retry, failed and cancel. 2 costs two more round trips for each."},
    {OTAD_KEY(mqtt, keepalive_s), range(1, 65535), kStart,
     "A connection that broke without a word is noticed after at most one and a half times this, in seconds."},
    {OTAD_KEY(mqtt, reconnect_min_s), range(1, 3600), kStart,
     "The first wait before connecting again, in seconds; each further one doubles, with jitter."},
    {OTAD_KEY(mqtt, reconnect_max_s), range(1, 3600), kStart,
     "The longest such wait, in seconds: so long may it take to notice that the broker is back."},

    {OTAD_KEY(http, listen), kListen, kStart,
     "Where devices download. Port 0 picks a free one and logs it. [::]:8080 listens on IPv6, localhost on 127.0.0.1."},
    {OTAD_KEY(http, admin_listen), kMaybeListen, kStart,
     "The operators' routes on an address of their own; empty: on listen, together with the downloads."},
    {OTAD_KEY(http, public_url), kPublicUrl, kStart,
     "What devices are told to download from; empty: over HTTP the address that the device used, over MQTT one made "
     "from "
     "listen. Set it behind a proxy or a cache."},
    {OTAD_KEY(http, hosts), kHosts, kStart,
     "Further names and addresses that clients reach this server by, without ports. A request for a host that is not "
     "localhost, an address or the name of this machine, the host of public_url or one of these is answered 421."},
    {OTAD_KEY(http, tls_cert), kMaybePath, kStart,
     "PEM chain; with it all listeners speak TLS only. The file's content is read again on SIGHUP."},
    {OTAD_KEY(http, tls_key), kMaybePath, kStart, "PEM: the private key of tls_cert; readable for otad alone."},
    {OTAD_KEY(http, tls_client_ca), kMaybePath, kStart,
     "PEM with the authorities of devices' certificates; a certificate's common name is then the device's id."},
    {OTAD_KEY(http, max_upload_bytes), range(1, kTebi), kStart,
     "The largest firmware that may be uploaded, in bytes; a larger one is answered 413."},
    {OTAD_KEY(http, threads), range(0, 256), kStart, "Threads that serve connections; 0: one for each core."},
    {OTAD_KEY(http, max_connections), range(1, 1'000'000), kStart,
     "Open connections at a time; one more ends one that never finished a request, or the longest idle one, or is "
     "answered 503. Each takes a descriptor (LimitNOFILE of the unit)."},
    {OTAD_KEY(http, idle_timeout_s), range(1, 3600), kStart,
     "A connection on which nothing moved for so many seconds is closed; one that doesn't finish a TLS handshake or "
     "the "
     "head of a request after 30 s already."},
    {OTAD_KEY(http, max_rate), range(0, kTebi), kLive,
     "Bytes a second of all downloads together; 0: as fast as the line goes."},
    {OTAD_KEY(http, max_rate_per_device), range(0, kTebi), kLive, "Bytes a second of each device; 0: no bound."},

    {OTAD_KEY(storage, database), kDatabase, kStart,
     "The SQLite file with tasks, devices, logs; on a local disk, beside it a -wal and a -shm file."},
    {OTAD_KEY(storage, firmware_dir), kPath, kStart, "The folder with the images, each under its SHA-256."},
    {OTAD_KEY(storage, keep_logs_days), range(1, 36'500), kLive,
     "Transfer logs of ended tasks and the audit are kept so many days, then deleted."},

    {OTAD_KEY(tasks, max_active), range(1, 100'000), kLive,
     "Tasks that may be offered or downloading at a time; the rest wait in the queue."},
    {OTAD_KEY(tasks, max_attempts), range(1, 100), kLive, "A task that got so many wrong images ends failed."},
    {OTAD_KEY(tasks, offer_timeout_s), range(1, kDay), kLive,
     "An offer without a word from the device for so many seconds gives its slot back."},
    {OTAD_KEY(tasks, stall_timeout_s), range(1, kDay), kLive,
     "Without a new chunk for so many seconds a device is told what is missing, then gives its slot back."},
    {OTAD_KEY(tasks, confirm_timeout_s), range(1, 7 * kDay), kLive,
     "A task with confirm ends failed where the device doesn't run the new version after so many seconds."},
    {OTAD_KEY(tasks, retry_backoff_s), range(0, kDay), kLive,
     "The wait before the second attempt, in seconds; it doubles with each further one, with jitter."},
    {OTAD_KEY(tasks, retry_backoff_max_s), range(0, kDay), kLive, "The longest such wait, in seconds."},
    {OTAD_KEY(tasks, confirm), kConfirm, kLive,
     "auto: a task succeeds when its device says that it runs the new version; where it never said what it runs, with "
     "the verified image. always: never without its report. never: always with the image."},
    {OTAD_KEY(tasks, keep_days), range(1, 36'500), kLive,
     "Ended tasks are kept so many days, then deleted with their transfer logs."},
    {OTAD_KEY(tasks, default_expiry_s), range(0, 10 * 365 * kDay), kLive,
     "An order without expires_at expires after so many seconds; 0: never."},

    {OTAD_KEY(devices, registration), kRegistration, kStart,
     "open: a device that is not known is taken in when it asks. closed: it is refused until an operator adds it."},
    {OTAD_KEY(devices, present_s), range(1, 30 * kDay), kLive,
     "A device heard within so many seconds counts as present; tasks of absent ones hold no slot."},
    {OTAD_KEY(devices, token_required), kFlag, kStart,
     "true: devices must show their secret, over MQTT too. false: one that was never given a secret may go without."},
    {OTAD_KEY(devices, unproven_per_minute), range(1, 1'000'000), kLive,
     "So many new ids that nobody registered and that have no certificate are taken in a minute; more are told to come "
     "again."},
    {OTAD_KEY(devices, forget_unproven_days), range(1, 36'500), kLive,
     "Devices that nobody registered and that have neither secret, certificate nor an operator's task are removed "
     "after so many days without a word."},

    {OTAD_KEY(security, api_auth), kApiAuth, kStart,
     "auto: operators need an API key unless their routes are on loopback only. required: always. off: never."},
    {OTAD_KEY(security, require_signed_firmware), kFlag, kLive,
     "true: firmware without a good signature of a trusted key is refused at upload, and not offered."},
    {OTAD_KEY(security, trusted_keys_dir), kPath, kLive,
     "The folder with the vendors' public keys (Ed25519, PEM), read again on SIGHUP; the file's name without .pem is "
     "the "
     "key id. Signed firmware whose key isn't there is not offered."},

    {OTAD_KEY(log, level), kLogLevel, kLive,
     "trace, debug, info, warn or error. debug tells each message of a device."},
    {OTAD_KEY(log, file), kMaybePath, kStart,
     "Empty: standard error, where the journal takes it. A file is opened anew on SIGHUP, for logrotate."},
    {OTAD_KEY(log, format), kLogFormat, kStart, "text, or json for one object a line."},
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

Value value_of(const Key& key, const Settings& settings) {
  Settings copy = settings;
  struct Read {
    Value operator()(std::string* text) const { return *text; }
    Value operator()(int* number) const { return std::int64_t{*number}; }
    Value operator()(std::uint64_t* number) const { return static_cast<std::int64_t>(*number); }
    Value operator()(bool* flag) const { return *flag; }
    Value operator()(std::vector<std::string>* list) const { return *list; }
  };
  return std::visit(Read{}, key.field(copy));
}

}  // namespace ota
