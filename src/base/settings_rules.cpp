#include "base/settings_rules.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "ota/base/value_forms.hpp"

namespace ota {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool names_scheme(const std::optional<Url>& url, std::initializer_list<std::string_view> schemes) {
  return url && is_one_of(url->scheme, schemes);
}

/// Settings take no zones: which interface has which name may change from start to start.
bool is_setting(const Authority& authority) {
  return authority.host.find('%') == std::string_view::npos &&
         (!authority.has_port || port_number(authority).value_or(0) > 0);
}

bool is_broker_url(std::string_view text) {
  const auto url = parse_url(text);
  return names_scheme(url, {"tcp", "mqtt", "ssl", "mqtts"}) && url->target.empty() && is_setting(url->authority);
}

bool is_public_url(std::string_view text) {
  if (text.empty()) return true;
  const auto url = parse_url(text);
  return names_scheme(url, {"http", "https"}) && is_setting(url->authority) && text.size() <= 1024 &&
         !text.ends_with('/') && !has_control(text) && text.find_first_of(" ?#@\"<>\\") == std::string_view::npos;
}

bool is_host_without_zone(std::string_view text) { return is_host(text) && text.find('%') == std::string_view::npos; }

/// RFC 6454, 6.2: they are compared as texts.
bool is_origin(std::string_view text) {
  const auto url = parse_url(text);
  if (!names_scheme(url, {"http", "https"}) || !url->target.empty() || !is_setting(url->authority)) return false;
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const bool written_port = url->authority.has_port == !url->authority.port.empty();
  return std::none_of(text.begin(), text.end(), is_upper) && written_port && !text.ends_with('.') &&
         url->authority.port != (url->scheme == "https" ? "443" : "80");
}

/// Names are not resolved, because the result could differ at each start.
bool is_listen(std::string_view text) {
  const auto parts = parse_authority(text);
  return parts && port_number(*parts) && parts->host.find('%') == std::string_view::npos &&
         (parts->kind != HostKind::name || parts->host == "localhost");
}

bool is_tls_url(std::string_view url) { return names_scheme(parse_url(url), {"ssl", "mqtts"}); }

bool is_maybe_path(std::string_view text) { return text.size() <= 4095 && !has_control(text); }

bool is_path(std::string_view text) { return !text.empty() && is_maybe_path(text); }

bool is_client_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

/// MQTT 5.0, 4.7. Wildcard subscriptions don't match topics that begin with `$`.
bool is_topic_root(std::string_view text) {
  return !text.empty() && text != "/" && text.size() <= 256 && !has_control(text) && text.front() != '$' &&
         text.back() != '/' && text.find_first_of("+#") == std::string_view::npos &&
         text.find("//") == std::string_view::npos;
}

/// 16 bytes in network order, IPv4 within IPv6.
using AddressBytes = std::array<unsigned char, 16>;

AddressBytes address_bytes(const Authority& listen) {
  auto text = std::string(listen.kind == HostKind::name ? "127.0.0.1" : listen.host);  // a name is localhost
  if (listen.kind != HostKind::ipv6) text = "::ffff:" + text;
  AddressBytes bytes{};
  ::inet_pton(AF_INET6, text.c_str(), bytes.data());
  return bytes;
}

/// Whether a socket on `listen` takes what is sent to `other`. One on `[::]` takes IPv4, too.
bool covers(const AddressBytes& listen, const AddressBytes& other) {
  constexpr std::size_t kPrefix = 12;  // of IPv4 within IPv6
  static const AddressBytes any{};
  static const AddressBytes any_ipv4 = address_bytes({"0.0.0.0", HostKind::ipv4});
  return listen == other || listen == any ||
         (listen == any_ipv4 && std::equal(other.begin(), other.begin() + kPrefix, any_ipv4.begin()));
}

/// Whether only one of the two listeners can be opened. Precondition: kListen, kMaybeListen.
bool clash(std::string_view first, std::string_view second) {
  const auto one = parse_authority(first);
  const auto other = parse_authority(second);
  if (!one || !other || port_number(*one) != port_number(*other) || port_number(*one) == 0) return false;
  const auto a = address_bytes(*one);
  const auto b = address_bytes(*other);
  return covers(a, b) || covers(b, a);
}

bool is_percentage(std::string_view text) { return parse_percentage(text).has_value(); }

bool is_number_or_percentage(std::string_view text) {
  const auto number = parse_decimal<std::int64_t>(text);
  return is_percentage(text) || (number && *number > 0 && *number <= 1'000'000'000);
}

bool is_tenant(std::string_view text) {
  constexpr std::size_t kLongest = 64;
  const auto fits = [](char c) {
    return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'z') || c == '.' || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= kLongest && text.front() != '.' && std::all_of(text.begin(), text.end(), fits);
}

bool is_address(std::string_view text) {
  const bool v6 = text.find(':') != std::string_view::npos;
  const auto bracketed = v6 ? "[" + std::string(text) + "]" : std::string(text);
  const auto address = parse_authority(bracketed);
  return address && address->kind != HostKind::name && !address->has_port;
}

}  // namespace

constinit const Rule kBrokerUrl{
    0, 0, is_broker_url,
    "tcp://host:port or, with TLS, ssl://host:port (mqtt:// and mqtts:// mean the same); user and "
    "password have their own keys"};
constinit const Rule kPublicUrl{
    0, 0, is_public_url, "empty or http://host:port or https://host:port, with or without a path, no slash at its end"};
constinit const Rule kHosts{0, 0, is_host_without_zone,
                            "host names or IP addresses, without a port and without brackets"};
constinit const Rule kOrigins{0, 0, is_origin,
                              "origins as browsers write them: https://host or https://host:port, in lower case, "
                              "without the default port and without a slash at the end"};
constinit const Rule kListen{
    0, 0, is_listen,
    "IPv4 address:port, [IPv6 address]:port or localhost:port with a port from 0 (any free one) to 65535"};
constinit const Rule kMaybeListen{
    0, 0, [](std::string_view text) { return text.empty() || is_listen(text); },
    "empty or IPv4 address:port, [IPv6 address]:port or localhost:port with a port from 0 (any free one) to 65535"};
constinit const Rule kMaybePath{0, 0, is_maybe_path,
                                "empty or the name of a file or folder, without control characters"};
constinit const Rule kSecretFile{0, 0, is_maybe_path, "empty or the name of a file, without control characters", true};
constinit const Rule kPath{0, 0, is_path, "the name of a file or folder, without control characters"};
constinit const Rule kDatabase{
    0, 0, [](std::string_view text) { return is_path(text) && !text.starts_with(':') && !text.starts_with("file:"); },
    "the name of a file on a local disk"};
constinit const Rule kClientId{0, 0, is_client_id, "1 to 128 printable ASCII characters without blanks"};
constinit const Rule kMaybeName{0, 0, [](std::string_view text) { return text.size() <= 256 && !has_control(text); },
                                "empty or up to 256 bytes without control characters"};
constinit const Rule kTopicRoot{
    0, 0, is_topic_root,
    "a topic such as /ota of up to 256 bytes: no + or #, no $ at its start, no slash at its end, no //"};
constinit const Rule kChannel{0, 0, is_channel_name, "1 to 64 of a-z 0-9 _ -"};
constinit const Rule kTenant{0, 0, is_tenant, "1 to 64 of A-Z a-z 0-9 . _ -, no . at its start"};
constinit const Rule kAddresses{0, 0, is_address, "IP addresses without a port"};
constinit const Rule kStages{0, 0,
                             [](std::string_view text) {
                               return text == "canary" || is_number_or_percentage(text);
                             },
                             "canary, numbers of devices or percentages such as 10%"};
constinit const Rule kMaxFailures{0, 0, is_number_or_percentage, "a number of devices or a percentage such as 1%"};
constinit const Rule kPercent{0, 0, is_percentage, "a percentage such as 5%"};
constinit const Rule kRegistration{0, 0,
                                   [](std::string_view text) {
                                     return is_one_of(text, {"open", "closed"});
                                   },
                                   "open or closed"};
constinit const Rule kMqttVersion{0, 0,
                                  [](std::string_view text) {
                                    return is_one_of(text, {"auto", "5", "3.1.1"});
                                  },
                                  "auto, 5 or 3.1.1"};
constinit const Rule kConfirm{0, 0,
                              [](std::string_view text) {
                                return is_one_of(text, {"auto", "always", "never"});
                              },
                              "auto, always or never"};
constinit const Rule kApiAuth{0, 0,
                              [](std::string_view text) {
                                return is_one_of(text, {"auto", "required", "off"});
                              },
                              "auto, required or off"};
constinit const Rule kLogLevel{0, 0,
                               [](std::string_view text) {
                                 return is_one_of(text, {"trace", "debug", "info", "warn", "error"});
                               },
                               "trace, debug, info, warn or error"};
constinit const Rule kLogFormat{0, 0,
                                [](std::string_view text) {
                                  return is_one_of(text, {"text", "json"});
                                },
                                "text or json"};

std::vector<Conflict> conflicts(const Settings& settings) {
  const auto& mqtt = settings.mqtt;
  const auto& http = settings.http;
  const auto& tasks = settings.tasks;
  std::vector<Conflict> found;
  if (mqtt.reconnect_min_s > mqtt.reconnect_max_s)
    found.push_back({"mqtt.reconnect_min_s", "mqtt.reconnect_max_s",
                     fmt::format("mqtt.reconnect_min_s ({}) must not be more than mqtt.reconnect_max_s ({})",
                                 mqtt.reconnect_min_s, mqtt.reconnect_max_s)});
  if (tasks.retry_backoff_s > tasks.retry_backoff_max_s)
    found.push_back({"tasks.retry_backoff_s", "tasks.retry_backoff_max_s",
                     fmt::format("tasks.retry_backoff_s ({}) must not be more than tasks.retry_backoff_max_s ({})",
                                 tasks.retry_backoff_s, tasks.retry_backoff_max_s)});
  if (mqtt.cert_file.empty() != mqtt.key_file.empty())
    found.push_back({"mqtt.cert_file", "mqtt.key_file",
                     "mqtt.cert_file and mqtt.key_file go together: give both or none"});
  if (!mqtt.password_file.empty() && mqtt.username.empty())
    found.push_back({"mqtt.password_file", "mqtt.username", "mqtt.password_file needs mqtt.username"});
  if (!is_tls_url(mqtt.url) && !(mqtt.ca_file.empty() && mqtt.cert_file.empty()))
    found.push_back(
        {"mqtt.url", mqtt.ca_file.empty() ? "mqtt.cert_file" : "mqtt.ca_file",
         "mqtt.url must begin with ssl:// if mqtt.ca_file or mqtt.cert_file is given; otherwise nothing is encrypted"});
  if (http.tls_cert.empty() != http.tls_key.empty())
    found.push_back({"http.tls_cert", "http.tls_key",
                     "http.tls_cert and http.tls_key go together: give both or none"});
  if (!http.tls_client_ca.empty() && http.tls_cert.empty())
    found.push_back({"http.tls_client_ca", "http.tls_cert",
                     "http.tls_client_ca needs http.tls_cert and http.tls_key"});
  if (clash(http.admin_listen, http.listen))
    found.push_back({"http.admin_listen", "http.listen",
                     fmt::format("http.admin_listen ({}) and http.listen ({}) are the same port of the same address: "
                                 "change one, or leave http.admin_listen empty to serve both there",
                                 http.admin_listen, http.listen)});
  return found;
}

}  // namespace ota
