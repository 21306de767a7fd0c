// Why there is no connection, in words: what happened and the remedy.
#pragma once

#include <string>
#include <string_view>

#include "mqtt/address.hpp"
#include "ota/mqtt/client.hpp"

namespace ota::mqtt {

/// A broker's refusal or farewell: a reason code of MQTT 5 (section 2.4), from 0x80.
std::string describe_reason(int code, const Options& options);

/// A SUBACK or PUBACK reason code in two or three words.
std::string_view short_reason(int code);

/// A connection that failed without a word from the broker. Looks for the cause by itself: reads the TLS files and
/// tries the address, so it may take two seconds.
std::string find_cause(const Options& options);

}  // namespace ota::mqtt
