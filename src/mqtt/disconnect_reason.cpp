#include "mqtt/disconnect_reason.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ota::mqtt {
namespace {

constexpr std::chrono::milliseconds kProbePatience{2000};

std::string unreadable(std::string_view what, const std::string& file) {
  if (file.empty() || access(file.c_str(), R_OK) == 0) return {};
  return fmt::format("cannot read the {} {}: {}", what, file, std::strerror(errno));
}

std::string unreadable_tls_file(const Options& options) {
  for (auto text : {unreadable("CA file", options.ca_file), unreadable("certificate", options.cert_file),
                    unreadable("private key", options.key_file)}) {
    if (!text.empty()) return text;
  }
  return {};
}

}  // namespace

std::string describe_reason(int code, const Options& options) {
  switch (code) {
    case 0x84:
      return options.version == Version::automatic
                 ? "the broker does not support that version of MQTT"
                 : fmt::format("the broker does not support MQTT {}: set mqtt.version to \"auto\"",
                               to_string(options.version));
    case 0x85:
      return fmt::format("the broker refuses the client id '{}': choose another, or allow it in the broker's "
                         "configuration", options.client_id);
    case 0x86:
    case 0x8c:
      return fmt::format(
          "bad user name or password (user '{}'): check the user name and the password file, and the "
          "broker's own list of users",
          options.username);
    case 0x87:
      return options.username.empty()
                 ? "not authorised: the broker accepts no anonymous clients; set a user name and a password file"
                 : fmt::format(
                       "not authorised (user '{}'): check the user name and the password file, and the broker's "
                       "users and access list",
                       options.username);
    case 0x88:
    case 0x89:
      return "the broker is unavailable or busy: look at its log; trying again";
    case 0x8a:
      return fmt::format("the broker has banned the client '{}': remove the ban in the broker's configuration",
                         options.client_id);
    case 0x8b:
      return "the broker is shutting down: start it again";
    case 0x8d:
      return "the broker received nothing within the keep-alive interval: check the network, or whether this machine "
             "is overloaded";
    case 0x8e:
      return fmt::format("another client connected with the id '{}': give each program its own client id",
                         options.client_id);
    case 0x95:
      return "a message was larger than the broker accepts: raise its max_packet_size";
    case 0x97:
    case 0x9f:
      return "the broker's quota or connection rate is exceeded: raise it in the broker's configuration; trying again";
    case 0x9c:
    case 0x9d:
      return "the broker sends clients to another address: correct the broker's address";
    default:
      return fmt::format("the broker refused with reason code 0x{:02x}: look at its log", code);
  }
}

std::string_view short_reason(int code) {
  switch (code) {
    case 0x80:
      return "unspecified error";
    case 0x83:
      return "the broker's own rules forbid it";
    case 0x87:
      return "not authorised";
    case 0x8f:
      return "invalid topic filter";
    case 0x90:
      return "invalid topic name";
    case 0x91:
      return "packet identifier in use";
    case 0x95:
      return "packet too large";
    case 0x97:
      return "quota exceeded";
    case 0x99:
      return "invalid payload format";
    case 0x9e:
      return "no shared subscriptions";
    case 0xa2:
      return "no wildcard subscriptions";
    default:
      return "refused";
  }
}

bool may_be_a_message(int code) {
  switch (code) {
    case 0x88:  // unavailable
    case 0x89:  // busy
    case 0x8b:  // shuts down
    case 0x8d:  // keep-alive
    case 0x8e:  // another client with the same id
    case 0x98:  // by an administrator
    case 0x9c:
    case 0x9d:  // moved
    case 0x9f:  // too many connections
    case 0xa0:  // as long as allowed
      return false;
    default:
      return true;
  }
}

DisconnectReason find_disconnect_reason(const Options& options, Version tried) {
  auto address = parse_address(options.url);
  if (!address) {
    return {false,
            fmt::format("'{}' is not a broker address: it must have the form tcp://host:1883 or ssl://host:8883",
                        options.url)};
  }
  if (address->tls) {
    if (auto text = unreadable_tls_file(options); !text.empty()) return {false, std::move(text)};
  }
  if (auto text = why_unreachable(*address, kProbePatience)) return {false, std::move(*text)};
  if (address->tls) {
    return {true,
            fmt::format(
                "TLS handshake with {} failed: its certificate is not signed by {} or not issued for {}, it requires a "
                "client certificate, or that port does not use TLS; check the CA file, the certificate and key, and "
                "the port",
                address->str(), options.ca_file.empty() ? "the system's authorities" : options.ca_file, address->host)};
  }
  return {true, fmt::format("{} closed the connection before it answered: that port may require TLS (use ssl://), be "
                            "no MQTT broker, or one without MQTT {}",
                            address->str(), to_string(tried))};
}

}  // namespace ota::mqtt
