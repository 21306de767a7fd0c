// The firmware that this device may install.
#pragma once

#include <string>
#include <string_view>

#include "agent/messages.hpp"
#include "ota/base/clock.hpp"
#include "ota/firmware/signature.hpp"

namespace ota::agent {

/// The conditions of an offer (docs/device-protocol.md, Signatures).
struct Policy {
  std::string device;                              ///< its id
  std::string hardware;                            ///< its own; empty: unknown, and not compared
  std::string highest_version;                     ///< that it has run; empty: unknown
  const firmware::TrustedKeys* trusted = nullptr;  ///< null: signatures are not checked
  bool allow_downgrade = false;
};

/// Looks at all that is signed and at the version. Errc::wrong_hardware, Errc::signature_invalid, or Errc::downgrade
/// where it is below the highest version and neither `allow_downgrade` nor a permission that a trusted key signed for
/// this device and that hasn't expired at `now` lets it. Asked when the offer comes and again before it is installed.
Result<void> may_install(const Assignment& task, const Policy& policy, WallTime now);

/// Whether two versions are the same one: equal texts, or versions that compare as equal (docs/device-protocol.md,
/// request).
bool same_version(std::string_view a, std::string_view b);

}  // namespace ota::agent
