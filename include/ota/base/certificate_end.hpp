// When the end of a server certificate is near.
#pragma once

#include <chrono>

namespace ota {

/// One that ends in less than this is renewed by setup, and warned of by the server and otactl.
inline constexpr std::chrono::days kCertificateEndsSoon{30};

}  // namespace ota
