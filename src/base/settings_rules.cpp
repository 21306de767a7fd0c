#include "base/settings_rules.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <optional>

#include "ota/base/text.hpp"

namespace ota {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_port(std::string_view text, unsigned min) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && text.size() <= 5 && port >= min && port <= 65535;
}

bool is_v6(std::string_view text) {
  in6_addr address{};
  return inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

bool is_v4(std::string_view text) {
  in_addr address{};
  return inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

/// RFC 1123, and the underscore that container networks use. What looks like an IPv4 address must be one.
bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253 || text.front() == '-' || text.front() == '.' || text.back() == '-')
    return false;
  bool digits_only = true;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    const bool digit = (c >= '0' && c <= '9') || c == '.';
    if (!letter && !digit) return false;
    digits_only = digits_only && digit;
  }
  return (!digits_only || is_v4(text)) && text.find("..") == std::string_view::npos;
}

struct Authority {
  std::string_view host;
  bool v6 = false;
  std::optional<std::string_view> port;
};

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
std::optional<Authority> split_authority(std::string_view text) {
  Authority parts;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return {};
    parts = {text.substr(1, end - 1), true, {}};
    rest = text.substr(end + 1);
  } else {
    const auto colon = text.find(':');
    parts.host = text.substr(0, colon);
    if (colon != std::string_view::npos) rest = text.substr(colon);
  }
  if (rest.empty()) return parts;
  if (!rest.starts_with(':')) return {};
  parts.port = rest.substr(1);
  return parts;
}

bool is_authority(std::string_view text) {
  const auto parts = split_authority(text);
  if (!parts || (parts->port && !is_port(*parts->port, 1))) return false;
  return parts->v6 ? is_v6(parts->host) : is_host_name(parts->host);
}

bool strip_scheme(std::string_view& url, std::initializer_list<std::string_view> schemes) {
  const auto colon = url.find("://");
  if (colon == std::string_view::npos || !is_one_of(url.substr(0, colon), schemes)) return false;
  url.remove_prefix(colon + 3);
  return true;
}

bool is_broker_url(std::string_view url) {
  return strip_scheme(url, {"tcp", "mqtt", "ssl", "mqtts"}) && is_authority(url);
}

bool is_public_url(std::string_view url) {
  if (url.empty()) return true;
  if (url.size() > 1024 || has_control(url) || url.ends_with('/') || !strip_scheme(url, {"http", "https"}))
    return false;
  return url.find_first_of(" ?#@\"<>\\") == std::string_view::npos && is_authority(url.substr(0, url.find('/')));
}

bool is_host(std::string_view text) { return is_host_name(text) || is_v6(text); }

/// Names are not looked up: what they stand for could be another address at each start.
bool is_listen(std::string_view text) {
  const auto parts = split_authority(text);
  if (!parts || !parts->port || !is_port(*parts->port, 0)) return false;
  return parts->v6 ? is_v6(parts->host) : is_v4(parts->host) || parts->host == "localhost";
}

bool is_maybe_path(std::string_view text) { return text.size() <= 4095 && !has_control(text); }

bool is_path(std::string_view text) { return !text.empty() && is_maybe_path(text); }

bool is_client_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

/// MQTT 5.0, 4.7. A root that begins with `$` would be left out of the wildcards that brokers serve.
bool is_topic_root(std::string_view text) {
  return !text.empty() && text != "/" && text.size() <= 256 && !has_control(text) && text.front() != '$' &&
         text.back() != '/' && text.find_first_of("+#") == std::string_view::npos &&
         text.find("//") == std::string_view::npos;
}

}  // namespace

constinit const Rule kBrokerUrl{
    0, 0, is_broker_url,
    "tcp://host:port or, with TLS, ssl://host:port (mqtt:// and mqtts:// mean the same); user and "
    "password have their own keys"};
constinit const Rule kPublicUrl{
    0, 0, is_public_url, "empty or http://host:port or https://host:port, with or without a path, no slash at its end"};
constinit const Rule kHosts{0, 0, is_host, "host names or IP addresses, without a port and without brackets"};
constinit const Rule kListen{
    0, 0, is_listen,
    "IPv4 address:port, [IPv6 address]:port or localhost:port with a port from 0 (any free one) to 65535"};
constinit const Rule kMaybeListen{
    0, 0, [](std::string_view text) { return text.empty() || is_listen(text); },
    "empty or IPv4 address:port, [IPv6 address]:port or localhost:port with a port from 0 (any free one) to 65535"};
constinit const Rule kMaybePath{0, 0, is_maybe_path,
                                "empty or the name of a file or folder, without control characters"};
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

bool is_tls_url(std::string_view url) { return url.starts_with("ssl://") || url.starts_with("mqtts://"); }

}  // namespace ota
