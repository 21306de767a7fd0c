// One call looked at closely: name, address, TLS, clock.
#pragma once

#include <optional>
#include <string>

#include "ota/base/clock.hpp"
#include "otactl/client.hpp"

namespace ota::otactl {

struct Probe {
  CURLcode code = CURLE_OK;
  std::string error;  ///< in libcurl's words
  long status = 0;
  std::string body;
  std::string address;  ///< that was connected to; empty where none was
  std::optional<WallTime> server_time;
  std::optional<WallTime> expires;  ///< of the server's certificate
  std::string subject, issuer;      ///< of that
};

/// GET without a key. `verify`: false looks at certificates that aren't trusted, too.
Probe probe(const Server& server, const std::string& url, bool verify);

/// `Nov 27 06:00:00 2028 GMT`, as OpenSSL prints a certificate's dates; nothing for anything else.
std::optional<WallTime> parse_certificate_time(const std::string& text);

}  // namespace ota::otactl
