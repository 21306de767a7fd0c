#include "ota/base/settings.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

#include "base/settings_keys.hpp"
#include "unit/base/temp_dir.hpp"

namespace ota {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// All keys of config/otad.toml, written out once more on purpose: a key that is dropped or misspelt shows here.
const char* const kApiKeys[] = {"mqtt.url",
                                "mqtt.version",
                                "mqtt.client_id",
                                "mqtt.username",
                                "mqtt.password_file",
                                "mqtt.ca_file",
                                "mqtt.cert_file",
                                "mqtt.key_file",
                                "mqtt.topic_root",
                                "mqtt.qos",
                                "mqtt.critical_qos",
                                "mqtt.keepalive_s",
                                "mqtt.reconnect_min_s",
                                "mqtt.reconnect_max_s",
                                "http.listen",
                                "http.admin_listen",
                                "http.public_url",
                                "http.hosts",
                                "http.cors_origins",
                                "http.tls_cert",
                                "http.tls_key",
                                "http.tls_client_ca",
                                "http.max_upload_bytes",
                                "http.threads",
                                "http.max_connections",
                                "http.idle_timeout_s",
                                "http.max_rate",
                                "http.max_rate_per_device",
                                "storage.database",
                                "storage.firmware_dir",
                                "storage.keep_logs_days",
                                "tasks.max_active",
                                "tasks.max_attempts",
                                "tasks.offer_timeout_s",
                                "tasks.stall_timeout_s",
                                "tasks.confirm_timeout_s",
                                "tasks.retry_backoff_s",
                                "tasks.retry_backoff_max_s",
                                "tasks.confirm",
                                "tasks.keep_days",
                                "tasks.default_expiry_s",
                                "devices.registration",
                                "devices.present_s",
                                "devices.token_required",
                                "devices.unproven_per_minute",
                                "devices.forget_unproven_days",
                                "devices.default_channel", "ddi.tenant", "ddi.poll_s",
                                "ddi.gateway_token_file", "ddi.trusted_proxies",
                                "ddi.version_attribute", "ddi.hardware_attribute",
                                "rollouts.stages",
                                "rollouts.max_failures",
                                "rollouts.max_failure_rate",
                                "rollouts.soak_s",
                                "rollouts.stage_delay_s",
                                "rollouts.stage_timeout_s",
                                "fleet.living_days",
                                "events.keep_days",
                                "webhooks.allow_http",
                                "webhooks.allow_private",
                                "security.api_auth",
                                "security.require_signed_firmware",
                                "security.trusted_keys_dir",
                                "log.level",
                                "log.file",
                                "log.format",
                                "shutdown_grace_s"};

class SettingsTest : public testing::Test {
 protected:
  Result<Settings> load(const std::string& toml, const Environment& environment = {}) {
    return load_settings(dir_.file("otad.toml", toml), environment);
  }

  /// The one fault of a file or environment that has exactly one.
  std::string fault(const std::string& toml, const Environment& environment = {}) {
    const auto loaded = load(toml, environment);
    if (loaded) return "(no fault)";
    if (loaded.error().fields.size() != 1) return "(several) " + loaded.error().message;
    EXPECT_EQ(loaded.error().code, Errc::malformed);
    EXPECT_THAT(loaded.error().message, HasSubstr(loaded.error().fields[0].message));
    return loaded.error().fields[0].message;
  }

  TempDir dir_;
};

std::string line_for(const Key& key, const std::string& value) {
  return key.section.empty() ? fmt::format("{} = {}\n", key.name, value)
                             : fmt::format("[{}]\n{} = {}\n", key.section, key.name, value);
}

bool is_flag(const Key& key) {
  Settings settings;
  return std::holds_alternative<bool*>(key.field(settings));
}

/// Of one text or a list of them.
bool is_text(const Key& key) {
  Settings settings;
  const auto field = key.field(settings);
  return std::holds_alternative<std::string*>(field) || std::holds_alternative<std::vector<std::string>*>(field);
}

TEST_F(SettingsTest, TheTableHasTheKeysOfTheInterface) {
  std::set<std::string> have;
  for (const Key& key : keys()) EXPECT_TRUE(have.insert(key.full_name()).second) << key.full_name();
  EXPECT_EQ(have, std::set<std::string>(std::begin(kApiKeys), std::end(kApiKeys)));
}

TEST_F(SettingsTest, NoTwoKeysShareAVariableOrAPlace) {
  std::set<std::string> variables;
  std::set<const void*> places;
  Settings settings;
  for (const Key& key : keys()) {
    EXPECT_TRUE(variables.insert(key.environment()).second) << key.environment();
    std::visit([&](auto* place) { EXPECT_TRUE(places.insert(place).second) << key.full_name(); }, key.field(settings));
  }
}

TEST_F(SettingsTest, NothingGivenMeansDefaults) {
  const auto loaded = load_settings("", {"PATH=/bin", "OTA_MQTT_URL=x", "OTAD_BROKEN"});
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(to_toml(*loaded), to_toml(Settings{}));
  EXPECT_EQ(loaded->mqtt.url, "tcp://127.0.0.1:1883");
  EXPECT_EQ(loaded->http.max_upload_bytes, 4ull << 30);
  EXPECT_EQ(loaded->shutdown_grace_s, 10);
}

TEST_F(SettingsTest, TheSampleFileShowsEveryDefault) {
  const std::string sample = OTAD_SAMPLE_SETTINGS;
  EXPECT_EQ(content_of(sample), to_toml(Settings{})) << "write it anew: otad --print-config > config/otad.toml";
  const auto loaded = load_settings(sample, {});
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(to_toml(*loaded), to_toml(Settings{}));
  for (const Key& key : keys())
    EXPECT_THAT(content_of(sample), HasSubstr(fmt::format("\n{} = ", key.name))) << key.full_name();
}

TEST_F(SettingsTest, WhatIsPrintedCanBeReadAgain) {
  const auto first = load(R"(
shutdown_grace_s = 3
[mqtt]
url = "ssl://[::1]:8883"
ca_file = '/etc/otad/"ca" \ ü.pem'
[http]
max_rate = 1_000_000
[devices]
token_required = true
)");
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->mqtt.ca_file, "/etc/otad/\"ca\" \\ ü.pem");
  EXPECT_EQ(first->http.max_rate, 1'000'000u);
  EXPECT_TRUE(first->devices.token_required);
  const auto second = load(to_toml(*first));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(to_toml(*second), to_toml(*first));
}

TEST_F(SettingsTest, EveryKeyIsReadFromFileAndEnvironment) {
  for (const Key& key : keys()) {
    if (is_text(key)) continue;
    const std::string value = is_flag(key) ? "true" : std::to_string(key.rule.max);
    // What two keys must agree on is tested by itself.
    const bool alone = key.name != "reconnect_min_s" && key.name != "retry_backoff_s";
    const auto from_file = load(line_for(key, value));
    const auto from_environment = load("", {key.environment() + "=" + value});
    ASSERT_EQ(from_file.has_value(), alone) << key.full_name();
    ASSERT_EQ(from_environment.has_value(), alone) << key.full_name();
    if (!alone) continue;
    EXPECT_EQ(value_of(key, *from_file), value_of(key, *from_environment)) << key.full_name();
    EXPECT_NE(value_of(key, *from_file), value_of(key, Settings{})) << key.full_name();
  }
}

TEST_F(SettingsTest, TextOfTheEnvironmentIsUtf8AsThatOfTheFile) {
  EXPECT_THAT(fault("", {"OTAD_MQTT_USERNAME=g\xfcnter"}), AllOf(HasSubstr("environment variable OTAD_MQTT_USERNAME"),
                                                                 HasSubstr("must be UTF-8; is \"g\\xfcnter\"")));
}

TEST_F(SettingsTest, TextIsReadFromFileAndEnvironment) {
  const std::pair<const char*, const char*> values[] = {{"mqtt.url", "mqtt://broker_1"},
                                                        {"mqtt.client_id", "otad-2"},
                                                        {"mqtt.username", "Otto"},
                                                        {"mqtt.topic_root", "fleet/ota"},
                                                        {"http.listen", "[::]:0"},
                                                        {"http.admin_listen", "127.0.0.1:9"},
                                                        {"http.public_url", "https://a.b/c"},
                                                        {"storage.database", "db"},
                                                        {"storage.firmware_dir", "/f w"},
                                                        {"devices.registration", "closed"},
                                                        {"security.api_auth", "off"},
                                                        {"security.trusted_keys_dir", "k"},
                                                        {"log.level", "trace"},
                                                        {"log.file", "/var/log/otad"},
                                                        {"log.format", "json"}};
  for (const auto& [name, value] : values) {
    const auto key = std::find_if(keys().begin(), keys().end(), [&](const Key& k) { return k.full_name() == name; });
    ASSERT_NE(key, keys().end()) << name;
    const auto from_file = load(line_for(*key, fmt::format("\"{}\"", value)));
    ASSERT_TRUE(from_file) << from_file.error().message;
    EXPECT_EQ(std::get<std::string>(value_of(*key, *from_file)), value);
    const auto from_environment = load("", {fmt::format("{}={}", key->environment(), value)});
    ASSERT_TRUE(from_environment) << from_environment.error().message;
    EXPECT_EQ(std::get<std::string>(value_of(*key, *from_environment)), value);
  }
}

TEST_F(SettingsTest, AListIsReadFromFileAndEnvironment) {
  const std::vector<std::string> hosts{"gw.example", "10.0.0.5", "fd00::5"};
  const auto from_file = load("[http]\nhosts = [\"gw.example\", '10.0.0.5',\n  'fd00::5']\n");
  ASSERT_TRUE(from_file) << from_file.error().message;
  EXPECT_EQ(from_file->http.hosts, hosts);
  const auto from_environment = load("", {"OTAD_HTTP_HOSTS=gw.example, 10.0.0.5 ,,fd00::5"});
  ASSERT_TRUE(from_environment) << from_environment.error().message;
  EXPECT_EQ(from_environment->http.hosts, hosts);
  EXPECT_EQ(load(to_toml(*from_file))->http.hosts, hosts);
  EXPECT_EQ(load("[http]\nhosts = ['a']\n", {"OTAD_HTTP_HOSTS="})->http.hosts, std::vector<std::string>());
  const auto changes = changes_between(*load(""), *from_file);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].key, "http.hosts");
  EXPECT_FALSE(changes[0].live);
}

TEST_F(SettingsTest, AListHoldsOnlyWhatItMay) {
  EXPECT_THAT(fault("[http]\nhosts = 'gw'\n"), HasSubstr("http.hosts must be a list of quoted strings"));
  EXPECT_THAT(fault("[http]\nhosts = ['gw', 5]\n"), HasSubstr("http.hosts must be a list of quoted strings"));
  for (const auto* wrong : {"gw:8080", "http://gw", "", "*.example", "[fd00::5]", "gw/x", "a b", "1.2.3"})
    EXPECT_THAT(fault(fmt::format("[http]\nhosts = ['gw', '{}']\n", wrong)),
                HasSubstr("http.hosts must be a list of host names"));
  EXPECT_THAT(fault("", {"OTAD_HTTP_HOSTS=gw,a:1"}), HasSubstr("one is \"a:1\""));
  EXPECT_TRUE(load("[http]\ncors_origins = ['https://dash.example', 'http://10.0.0.5:3000', 'http://[fd00::5]:3000']\n"));
  for (const auto* wrong : {"*", "null", "dash.example", "https://dash.example/", "https://Dash.example", "ftp://dash",
                            "https://dash.example:443", "http://dash.example:80", "https://dash.example:", "https://a b",
                            "https://dash.example?x", ""})
    EXPECT_THAT(fault(fmt::format("[http]\ncors_origins = ['{}']\n", wrong)),
                HasSubstr("http.cors_origins must be a list of origins"))
        << wrong;
  std::string many = "OTAD_HTTP_HOSTS=a";
  for (int i = 0; i < 64; ++i) many += ",a";
  EXPECT_THAT(fault("", {many}), HasSubstr("must have at most 64 entries"));
}

TEST_F(SettingsTest, ListenersHaveAddressesAndNoNamesButLocalhost) {
  for (const auto* right : {"0.0.0.0:8080", "[::1]:0", "localhost:8080"})
    EXPECT_TRUE(load(fmt::format("[http]\nlisten = '{}'\n", right))) << right;
  for (const auto* wrong : {"gw.example:8080", "LOCALHOST.:1", "localhost.example:1", "localhost", "1.2.3:80"})
    EXPECT_THAT(fault(fmt::format("[http]\nlisten = '{}'\n", wrong)), HasSubstr("http.listen must be")) << wrong;
}

TEST_F(SettingsTest, TheEnvironmentComesBeforeTheFile) {
  const auto loaded = load("[tasks]\nmax_active = 5\nmax_attempts = 4\n", {"OTAD_TASKS_MAX_ACTIVE=7"});
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->tasks.max_active, 7);
  EXPECT_EQ(loaded->tasks.max_attempts, 4);
}

TEST_F(SettingsTest, EveryNumberHasItsRange) {
  for (const Key& key : keys()) {
    if (is_flag(key) || is_text(key)) continue;
    for (const std::int64_t wrong : {key.rule.min - 1, key.rule.max + 1, std::int64_t{INT64_MIN}, INT64_MAX}) {
      const std::string told = fmt::format("{} must be a whole number from {} to {}, is {}", key.full_name(),
                                           key.rule.min, key.rule.max, wrong);
      const std::string toml = line_for(key, std::to_string(wrong));
      const int line = key.section.empty() ? 1 : 2;
      EXPECT_EQ(fault(toml), fmt::format("{}:{}: {}", dir_ / "otad.toml", line, told));
      EXPECT_EQ(fault("", {fmt::format("{}={}", key.environment(), wrong)}),
                fmt::format("environment variable {}: {}", key.environment(), told));
    }
  }
}

TEST_F(SettingsTest, EveryKeyRefusesOtherTypes) {
  for (const Key& key : keys()) {
    for (const char* value : {"1.5", "[1]", "{a = 1}", "2026-11-22", "true", "7", "\"x\""}) {
      const bool same_type = is_flag(key)   ? value == std::string("true")
                             : is_text(key) ? value[0] == '"'
                                            : value == std::string("7");
      if (same_type) continue;
      EXPECT_THAT(fault(line_for(key, value)), HasSubstr(key.full_name() + " must be ")) << value;
    }
  }
}

TEST_F(SettingsTest, VariablesThatAreNoValueAreRefused) {
  for (const char* value : {"", " 5", "5 ", "5s", "0x10", "1e3", "+5", "99999999999999999999"})
    EXPECT_THAT(fault("", {fmt::format("OTAD_TASKS_MAX_ACTIVE={}", value)}),
                HasSubstr("tasks.max_active must be a whole number from 1 to 100000; is"))
        << value;
  for (const char* value : {"", "1", "yes", "TRUE"})
    EXPECT_THAT(fault("", {fmt::format("OTAD_DEVICES_TOKEN_REQUIRED={}", value)}), HasSubstr("must be true or false"));
}

TEST_F(SettingsTest, UnknownVariablesAreNamedWithWhatWasMeant) {
  EXPECT_THAT(unknown_variables({"OTAD_MQTT_URI=tcp://a:1", "OTAD_MQTT_URL=tcp://a:1", "PATH=/bin", "OTAD_BROKEN"}),
              ElementsAre("the environment variable \"OTAD_MQTT_URI\" sets no known key and has no effect; did you "
                          "mean OTAD_MQTT_URL?"));
  EXPECT_THAT(unknown_variables({"OTAD_mqtt_url=tcp://a:1"}), ElementsAre(HasSubstr("did you mean OTAD_MQTT_URL?")));
  // What Kubernetes makes of a service named otad.
  EXPECT_THAT(unknown_variables({"OTAD_PORT_8080_TCP_PROTO=tcp"}), ElementsAre(HasSubstr("sets no known key")));
  EXPECT_TRUE(load("", {"OTAD_PORT=tcp://10.0.0.1:8080"}));
  EXPECT_TRUE(load("", {"OTAD_MQTT_URI=tcp://a:1"}));
}

TEST_F(SettingsTest, UnknownNamesAreRefusedWithTheirLine) {
  const std::string file = dir_ / "otad.toml";
  EXPECT_EQ(fault("\n[mqtt]\nqoS = 1\n"), file + ":3: \"qoS\" is not a key of section mqtt; did you mean \"qos\"?");
  EXPECT_EQ(fault("[mqqt]\nqos = 1\n"), file + ":1: \"mqqt\" is no section; did you mean \"mqtt\"?");
  EXPECT_EQ(fault("qos = 1\n"), file + ":1: \"qos\" is no key; it belongs below [mqtt]");
  EXPECT_EQ(fault("[log]\ncolour = 1\n"),
            file + ":2: \"colour\" is not a key of section log; there are: level, file, format");
  EXPECT_EQ(fault("\n\nmqtt = 1\n"), file + ":3: mqtt must be a section: [mqtt]");
  EXPECT_EQ(fault("[shutdown_grace_s]\n"), file + ":1: shutdown_grace_s must be a whole number from 0 to 3600");
  EXPECT_THAT(fault("\"a\\nb\" = 1\n"), HasSubstr(R"("a\nb" is no key)"));
}

TEST_F(SettingsTest, WhatIsNoTomlIsRefusedWithItsLine) {
  const std::string file = dir_ / "otad.toml";
  EXPECT_THAT(fault("[mqtt]\nqos = \n"), HasSubstr(file + ":2: is not TOML: "));
  EXPECT_THAT(fault("[mqtt]\nqos = 1\nqos = 2\n"), HasSubstr(file + ":3: is not TOML: "));
  EXPECT_THAT(fault("a = \"\xff\"\n"), HasSubstr("is not TOML"));
  EXPECT_THAT(fault("[http]\nmax_rate = 99999999999999999999\n"), HasSubstr(":2: is not TOML"));
  EXPECT_THAT(fault("a = " + std::string(100'000, '[')), HasSubstr("is not TOML"));
  EXPECT_THAT(fault(std::string(2u << 20, '#')), HasSubstr("is larger than"));
}

TEST_F(SettingsTest, AFileThatCantBeReadIsNamed) {
  const auto missing = load_settings(dir_ / "none.toml", {});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("none.toml: can't be read: No such file or directory"));
  const auto folder = load_settings(dir_ / ".", {});
  ASSERT_FALSE(folder);
  EXPECT_THAT(folder.error().message, HasSubstr("can't be read"));
  const std::string fifo = dir_ / "fifo.toml";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const auto& file : {fifo, std::string("/dev/zero")}) {
    const auto special = load_settings(file, {});
    ASSERT_FALSE(special);
    EXPECT_THAT(special.error().message, HasSubstr(file + ": can't be read: it is no regular file"));
  }
}

TEST_F(SettingsTest, AllFaultsAreTold) {
  const auto loaded =
      load("x = 1\n[mqtt]\nqos = 3\nurl = \"http://a\"\n[tasks]\nmax_active = 0\n", {"OTAD_LOG_LEVEL=loud"});
  ASSERT_FALSE(loaded);
  std::set<std::string> fields;
  for (const FieldError& field : loaded.error().fields) fields.insert(field.field);
  EXPECT_EQ(fields, (std::set<std::string>{"x", "mqtt.qos", "mqtt.url", "tasks.max_active", "log.level"}));
  EXPECT_THAT(loaded.error().message, HasSubstr("; and 2 more"));
}

struct Refusal {
  const char* key;
  std::vector<std::string> good;
  std::vector<std::string> bad;
};

const Refusal kRefusals[] = {
    {"OTAD_MQTT_URL",
     {"tcp://127.0.0.1:1883", "mqtt://broker", "ssl://a.example:8883", "mqtts://[2001:db8::1]:1", "tcp://[::1]"},
     {"", "127.0.0.1:1883", "http://a:1", "tcp://", "tcp://:1883", "tcp://a:0", "tcp://a:65536",
      "tcp://a:", "tcp://a:1/x", "tcp://a b:1", "tcp://300.1.1.1:1", "tcp://[::1", "tcp://[::1]1", "tcp://[a]:1",
      "tcp://::1:1", "tcp://a:1x", "TCP://a:1", "tcp://a..b", "ws://a:1"}},
    {"OTAD_HTTP_LISTEN",
     {"0.0.0.0:8080", "127.0.0.1:0", "[::]:80", "localhost:65535"},
     {"", "8080", ":8080", "0.0.0.0", "0.0.0.0:", "0.0.0.0:65536", "0.0.0.0:-1", "1.2.3:80", "::1:80", "[::g]:80",
      "a b:1", "http://a:1", "0.0.0.0:000080"}},
    {"OTAD_HTTP_ADMIN_LISTEN", {"", "127.0.0.1:8081"}, {"8081", "127.0.0.1"}},
    {"OTAD_HTTP_PUBLIC_URL",
     {"", "http://gw:8080", "https://ota.example", "https://ota.example/fw/v1", "http://[::1]:80/x"},
     {"gw:8080", "ftp://gw", "http://", "http://gw/", "http://gw?x=1", "http://gw#x", "http://gw:0", "http://g w",
      "http://gw/a\nb", "http://gw/\"x"}},
    {"OTAD_MQTT_TOPIC_ROOT",
     {"/ota", "ota", "a/b/c"},
     {"", "/", "/ota/", "/ota/#", "+/ota", "a//b", "$SYS/ota", "a\nb"}},
    {"OTAD_MQTT_CLIENT_ID", {"otad", "otad.site-2"}, {"", "a b", "ü", "a\tb"}},
    {"OTAD_MQTT_USERNAME", {"", "otad", "Otto Normal"}, {"a\nb"}},
    {"OTAD_STORAGE_DATABASE", {"otad.db", "/var/lib/otad/otad.db"}, {"", ":memory:", "file:otad.db", "a\nb"}},
    {"OTAD_STORAGE_FIRMWARE_DIR", {"f"}, {"", "a\x01"}},
    {"OTAD_SECURITY_TRUSTED_KEYS_DIR", {"k"}, {""}},
    {"OTAD_LOG_FILE", {"", "otad.log"}, {"a\nb"}},
    {"OTAD_LOG_LEVEL", {"trace", "debug", "info", "warn", "error"}, {"", "warning", "INFO", "off", "5"}},
    {"OTAD_LOG_FORMAT", {"text", "json"}, {"", "xml"}},
    {"OTAD_DEVICES_REGISTRATION", {"open", "closed"}, {"", "Open", "yes"}},
    {"OTAD_SECURITY_API_AUTH", {"auto", "required", "off"}, {"", "on", "none"}},
};

TEST_F(SettingsTest, TextHasItsRule) {
  for (const Refusal& refusal : kRefusals) {
    for (const std::string& good : refusal.good) {
      const auto loaded = load("", {fmt::format("{}={}", refusal.key, good)});
      EXPECT_TRUE(loaded) << refusal.key << '=' << good << ": " << loaded.error().message;
    }
    for (const std::string& bad : refusal.bad)
      EXPECT_THAT(fault("", {fmt::format("{}={}", refusal.key, bad)}), HasSubstr(" must be ")) << bad;
  }
}

TEST_F(SettingsTest, TextHasABound) {
  for (const Key& key : keys()) {
    if (!is_text(key)) continue;
    EXPECT_THAT(fault("", {key.environment() + "=" + std::string(5000, 'x')}), HasSubstr(" must be "))
        << key.full_name();
  }
}

TEST_F(SettingsTest, APasswordInAUrlIsNeitherTakenNorShown) {
  for (const char* variable :
       {"OTAD_MQTT_URL=tcp://otad:geheim@broker:1883", "OTAD_HTTP_PUBLIC_URL=http://u:geheim@h"}) {
    EXPECT_THAT(fault("", {variable}), HasSubstr("must be"));
    EXPECT_THAT(fault("", {variable}), Not(HasSubstr("geheim")));
  }
}

TEST_F(SettingsTest, KeysMustAgree) {
  const std::string file = dir_ / "otad.toml";
  EXPECT_EQ(fault("[mqtt]\nreconnect_max_s = 5\nreconnect_min_s = 6\n"),
            file + ":3: mqtt.reconnect_min_s (6) must not be more than mqtt.reconnect_max_s (5)");
  EXPECT_THAT(fault("[tasks]\nretry_backoff_max_s = 1\n"),
              HasSubstr(":2: tasks.retry_backoff_s (2) must not be more than tasks.retry_backoff_max_s (1)"));
  EXPECT_THAT(fault("", {"OTAD_MQTT_URL=ssl://a", "OTAD_MQTT_CERT_FILE=c"}), HasSubstr("go together"));
  EXPECT_THAT(fault("", {"OTAD_MQTT_URL=ssl://a", "OTAD_MQTT_KEY_FILE=k"}),
              HasSubstr("variable OTAD_MQTT_KEY_FILE: mqtt.cert_file and mqtt.key_file go together"));
  EXPECT_THAT(fault("", {"OTAD_MQTT_PASSWORD_FILE=p"}), HasSubstr("needs mqtt.username"));
  EXPECT_THAT(fault("", {"OTAD_MQTT_CA_FILE=ca"}), HasSubstr("must begin with ssl://"));
  EXPECT_THAT(fault("", {"OTAD_HTTP_TLS_CERT=c"}), HasSubstr("go together"));
  EXPECT_THAT(fault("", {"OTAD_HTTP_TLS_KEY=k"}), HasSubstr("go together"));
  EXPECT_THAT(fault("", {"OTAD_HTTP_TLS_CLIENT_CA=c"}), HasSubstr("needs http.tls_cert"));
}

TEST_F(SettingsTest, TheListenersAreApart) {
  const auto both = [this](const char* listen, const char* admin) {
    return load("", {fmt::format("OTAD_HTTP_LISTEN={}", listen), fmt::format("OTAD_HTTP_ADMIN_LISTEN={}", admin)});
  };
  for (const auto& [one, other] : {std::pair{"0.0.0.0:8080", "0.0.0.0:8080"},
                                   {"0.0.0.0:8080", "127.0.0.1:8080"},
                                   {"0.0.0.0:8080", "localhost:08080"},
                                   {"localhost:8080", "127.0.0.1:8080"},
                                   {"[::]:8080", "127.0.0.1:8080"},
                                   {"[::]:8080", "[2001:db8::1]:8080"},
                                   {"[::1]:8080", "[0:0:0:0:0:0:0:1]:8080"},
                                   {"[::ffff:127.0.0.1]:8080", "127.0.0.1:8080"}}) {
    for (const auto& loaded : {both(one, other), both(other, one)}) {
      ASSERT_FALSE(loaded) << one << " " << other;
      EXPECT_THAT(loaded.error().message, HasSubstr("are the same port of the same address: change one"));
    }
  }
  for (const auto& [one, other] : {std::pair{"127.0.0.1:0", "127.0.0.1:0"},
                                   {"0.0.0.0:8080", "127.0.0.1:8081"},
                                   {"127.0.0.1:8080", "127.0.0.2:8080"},
                                   {"192.0.2.1:8080", "localhost:8080"},
                                   {"0.0.0.0:8080", "[::1]:8080"},
                                   {"[::1]:8080", "127.0.0.1:8080"},
                                   {"127.0.0.1:8080", ""}})
    EXPECT_TRUE(both(one, other)) << one << " " << other;
  EXPECT_THAT(fault("[http]\nadmin_listen = '127.0.0.1:8080'\nlisten = 'localhost:8080'\n"),
              HasSubstr("otad.toml:2: http.admin_listen (127.0.0.1:8080) and http.listen (localhost:8080) are the same"));
}

TEST_F(SettingsTest, SighupNamesWhatNeedsARestart) {
  const Settings running;
  Settings wanted;
  const auto need_restart = [&running](const Settings& other) {
    std::vector<std::string> names;
    for (const auto& change : changes_between(running, other))
      if (!change.live) names.push_back(change.key);
    return names;
  };
  EXPECT_THAT(changes_between(running, wanted), IsEmpty());
  wanted.mqtt.url = "tcp://other:1883";
  wanted.http.threads = 3;
  wanted.http.max_rate = 1000;
  wanted.http.max_rate_per_device = 100;
  wanted.log.level = "debug";
  wanted.storage.keep_logs_days = 7;
  wanted.tasks = {1, 2, 3, 4, 5, 6, 7};
  wanted.devices.present_s = 8;
  EXPECT_THAT(need_restart(wanted), ElementsAre("mqtt.url", "http.threads"));
  const auto changes = changes_between(running, wanted);
  EXPECT_EQ(changes.front().from, "\"tcp://127.0.0.1:1883\"");
  EXPECT_EQ(changes.front().to, "\"tcp://other:1883\"");
  EXPECT_EQ(changes.back().key, "log.level");
  EXPECT_TRUE(changes.back().live);
  const Settings changed = with_changes(running, wanted);
  EXPECT_THAT(need_restart(changed), IsEmpty());
  EXPECT_EQ(changed.http.max_rate, 1000u);
  EXPECT_EQ(changed.http.max_rate_per_device, 100u);
  EXPECT_EQ(changed.log.level, "debug");
  EXPECT_EQ(changed.storage.keep_logs_days, 7);
  EXPECT_EQ(changed.tasks.retry_backoff_max_s, 7);
  EXPECT_EQ(changed.devices.present_s, 8);
  EXPECT_EQ(changed.mqtt.url, running.mqtt.url);
}

TEST_F(SettingsTest, EachKeyKnowsWhatSetIt) {
  auto running = *load("[mqtt]\nqos = 2\n[tasks]\nmax_active = 7\n", {"OTAD_MQTT_QOS=0"});
  const auto find = [](const std::vector<SettingView>& views, std::string_view key) {
    return *std::find_if(views.begin(), views.end(), [&](const SettingView& view) { return view.key == key; });
  };
  const auto views = settings_in_force(running, running);
  EXPECT_EQ(views.size(), keys().size());
  const auto qos = find(views, "mqtt.qos");
  EXPECT_EQ(qos.value, SettingValue{std::int64_t{0}});
  EXPECT_EQ(qos.by_default, SettingValue{std::int64_t{1}});
  EXPECT_EQ(qos.origin.source, SettingSource::environment) << "it overrides the file";
  EXPECT_EQ(qos.origin.place, "OTAD_MQTT_QOS");
  EXPECT_FALSE(qos.live);
  const auto active = find(views, "tasks.max_active");
  EXPECT_EQ(active.origin.source, SettingSource::file);
  EXPECT_THAT(active.origin.place, testing::EndsWith(":4"));
  EXPECT_TRUE(active.live);
  EXPECT_EQ(find(views, "mqtt.url").origin.source, SettingSource::default_);

  // After a reload: what is live has its new value and place, what is not waits for a restart with its old ones.
  const auto wanted = *load("[mqtt]\n\nqos = 1\nurl = 'tcp://127.0.0.1:1883'\n", {});
  running = with_changes(running, wanted);
  const auto later = settings_in_force(running, wanted);
  EXPECT_EQ(find(later, "tasks.max_active").value, SettingValue{std::int64_t{100}});
  EXPECT_EQ(find(later, "tasks.max_active").origin.source, SettingSource::default_);
  EXPECT_EQ(find(later, "mqtt.qos").value, SettingValue{std::int64_t{0}});
  EXPECT_EQ(find(later, "mqtt.qos").wanted, SettingValue{std::int64_t{1}});
  EXPECT_EQ(find(later, "mqtt.qos").origin.place, "OTAD_MQTT_QOS");
  EXPECT_THAT(find(later, "mqtt.url").origin.place, testing::EndsWith(":4")) << "the same value, now from the file";
}

TEST_F(SettingsTest, SecretsAreOnlyFiles) {
  std::set<std::string> secret;
  for (const auto& view : settings_in_force({}, {}))
    if (view.secret) secret.insert(view.key);
  EXPECT_EQ(secret, (std::set<std::string>{"ddi.gateway_token_file", "http.tls_key", "mqtt.key_file", "mqtt.password_file"}));
}

TEST_F(SettingsTest, TheProcessEnvironmentIsTaken) {
  ASSERT_EQ(setenv("OTAD_TASKS_MAX_ACTIVE", "12", 1), 0);
  const Environment environment = process_environment();
  unsetenv("OTAD_TASKS_MAX_ACTIVE");
  EXPECT_THAT(environment, testing::Contains("OTAD_TASKS_MAX_ACTIVE=12"));
}

}  // namespace
}  // namespace ota
