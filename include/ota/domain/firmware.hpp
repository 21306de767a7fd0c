#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ota/base/clock.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/messages.hpp"

namespace ota {

/// One row of the catalogue: a version for a hardware type, with the digest of its image.
struct Firmware {
  std::int64_t id = 0;
  std::string version;
  std::string hardware;  ///< empty: for all devices
  std::uint64_t size = 0;
  Digest checksum{};
  bool security = false;
  std::string notes;
  std::optional<FirmwareSignature> signature;
  WallTime created{};
  bool damaged = false;  ///< its image was found corrupt and quarantined
  std::optional<std::string> blocked;  ///< why an operator blocked it; nothing: it isn't
};

}  // namespace ota
