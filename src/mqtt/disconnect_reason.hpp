// The reason for a failed connection, as text: cause and remedy.
#pragma once

#include <string>
#include <string_view>

#include "mqtt/address.hpp"
#include "ota/mqtt/client.hpp"

namespace ota::mqtt {

/// A broker's refusal or farewell: a reason code of MQTT 5 (section 2.4), from 0x80.
std::string describe_reason(int code, const Options& options);

/// A short text for a SUBACK or PUBACK reason code.
std::string_view short_reason(int code);

/// Whether a message in flight can be the cause of the broker's disconnect with that reason code; 0: the broker sent
/// none.
bool may_be_a_message(int code);

struct DisconnectReason {
  bool reachable = false;  ///< the broker's port takes connections
  std::string text;
};
/// A connection that failed without a word from the broker. Looks for the cause by itself: reads the TLS files and
/// tries the address, so it may take two seconds.
DisconnectReason find_disconnect_reason(const Options& options, Version tried);

}  // namespace ota::mqtt
