#include <fmt/format.h>

#include "ota/base/url.hpp"
#include "ota/credentials/secrets.hpp"
#include "setup/draft.hpp"
#include "setup/toml_edit.hpp"

namespace ota::setup {
namespace {

constexpr const char* kPasswordFile = "/etc/otad/mqtt.password";
constexpr const char* kCertificate = "/etc/otad/tls/server.crt";
constexpr const char* kKey = "/etc/otad/tls/server.key";

bool is_own(const std::string& value, const char* own) { return value.empty() || value == own; }

/// Settings that somebody made for another setup than ours.
void check_settings(const Settings& settings) {
  const auto broker = parse_url(settings.mqtt.url);
  const auto host = broker ? broker->authority.host : std::string_view();
  if (host != "127.0.0.1" && host != "localhost" && host != "::1")
    refuse(Errc::wrong_state,
           fmt::format("mqtt.url is {}, a broker elsewhere; setup configures the Mosquitto of this machine. Remove the "
                       "key from {} if that is wanted",
                       settings.mqtt.url, kSettingsFile));
  const auto refuse_other = [](const char* key, const std::string& value) {
    refuse(Errc::wrong_state, fmt::format("{} is {} already, and setup would replace it: remove the key from {} if that "
                                          "is wanted",
                                          key, value, kSettingsFile));
  };
  if (!is_own(settings.http.tls_cert, kCertificate)) refuse_other("http.tls_cert", settings.http.tls_cert);
  if (!is_own(settings.http.tls_client_ca, kAuthority)) refuse_other("http.tls_client_ca", settings.http.tls_client_ca);
  if (!is_own(settings.mqtt.password_file, kPasswordFile)) refuse_other("mqtt.password_file", settings.mqtt.password_file);
}

/// An address that is set stays, but for its scheme and a host of another name.
std::string public_url(const Plan& plan, const HttpSettings& http) {
  const auto before = parse_url(http.public_url);
  if (before && before->authority.host == plan.name) {
    const auto from = before->scheme.size();
    return "https" + http.public_url.substr(from);
  }
  const auto listen = parse_authority(http.listen).value_or(Authority{});
  return "https://" + host_and_port(plan.name, listen.port);
}

}  // namespace

std::string add_password(Draft& draft) {
  auto password = draft.content(kPasswordFile).value_or("");
  password = password.substr(0, password.find('\n'));
  if (password.empty()) password = credentials::new_password();
  draft.want({kPasswordFile, password + "\n", 0600, draft.daemon(), "password of otad at the broker (not shown)"});
  return password;
}

void add_settings(Draft& draft, const Settings& settings) {
  check_settings(settings);
  const auto before = draft.content(kSettingsFile).value_or("");
  const auto broker = parse_url(settings.mqtt.url);
  const auto port = broker && broker->authority.port != "8883" ? std::string(broker->authority.port) : "1883";
  const auto edited =
      with_values(before, {{"mqtt", "url", toml_text("tcp://" + host_and_port("127.0.0.1", port))},
                           {"mqtt", "username", toml_text("otad")},
                           {"mqtt", "password_file", toml_text(kPasswordFile)},
                           {"http", "public_url", toml_text(public_url(draft.plan, settings.http))},
                           {"http", "hosts", toml_list(draft.plan.names)},
                           {"http", "tls_cert", toml_text(kCertificate)},
                           {"http", "tls_key", toml_text(kKey)},
                           {"http", "tls_client_ca", toml_text(kAuthority)}});
  if (!edited) refuse(edited.error().code, fmt::format("{}: {}", kSettingsFile, edited.error().message));
  draft.want({kSettingsFile, *edited, 0644, {}, ""});
}

}  // namespace ota::setup
