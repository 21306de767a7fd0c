// Permitted values of settings, and which don't go together.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/settings.hpp"

namespace ota {

/// Whole numbers: from `min` to `max`. Text: `holds` decides, and `permitted` describes it for error messages. A list:
/// `holds` applies to each entry. A flag has no rule.
struct Rule {
  std::int64_t min = 0;
  std::int64_t max = 0;
  bool (*holds)(std::string_view) = nullptr;
  std::string_view permitted;
  bool secret = false;  ///< a file with a secret: operators are not shown its name
};

/// From `min` to `max`, both included.
constexpr Rule range(std::int64_t min, std::int64_t max) { return Rule{min, max, nullptr, {}, false}; }

extern const Rule kBrokerUrl;    ///< `tcp|mqtt|ssl|mqtts://host[:port]`, no user or password in it
extern const Rule kPublicUrl;    ///< empty or `http|https://host[:port][/path]`, no slash at the end
extern const Rule kHosts;        ///< of each entry: a host name or an IP address, no port
extern const Rule kAddresses;    ///< of each entry: an IP address, no port
extern const Rule kOrigins;      ///< of each entry: `http|https://host[:port]` as browsers write it
extern const Rule kListen;       ///< `IPv4:port`, `[v6]:port`, `localhost:port`; port 0 picks a free one
extern const Rule kMaybeListen;  ///< the same or empty
extern const Rule kMaybePath;    ///< a file or folder, or empty
extern const Rule kSecretFile;   ///< the same, of a file with a secret
extern const Rule kPath;         ///< a file or folder
extern const Rule kDatabase;     ///< a file; not one of SQLite's special names
extern const Rule kMqttVersion;
extern const Rule kClientId;   ///< 1 to 128 printable ASCII characters without blanks
extern const Rule kMaybeName;  ///< up to 256 bytes
extern const Rule kTopicRoot;  ///< MQTT topic without wildcards or empty levels at its end
extern const Rule kChannel;      ///< 1 to 64 of `a-z 0-9 _ -`
extern const Rule kStages;       ///< of each entry: `canary`, a number, a percentage
extern const Rule kMaxFailures;  ///< a number or a percentage
extern const Rule kPercent;
extern const Rule kTenant;  ///< 1 to 64 of `A-Z a-z 0-9 . _ -`, no `.` first
extern const Rule kRegistration;
extern const Rule kConfirm;
extern const Rule kApiAuth;
extern const Rule kLogLevel;
extern const Rule kLogFormat;

/// Values of two keys that don't go together.
struct Conflict {
  std::string_view key;
  std::string_view other;
  std::string what;
};
/// Of settings whose values all keep their rules.
std::vector<Conflict> conflicts(const Settings& settings);

}  // namespace ota
