#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ota/base/clock.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/messages.hpp"

namespace ota {

/// One row of the catalogue: a version for a hardware, whose bytes are the image with that digest.
struct Firmware {
  std::int64_t id = 0;
  std::string version;
  std::string hardware;  ///< empty: fits every device
  std::uint64_t size = 0;
  Digest checksum{};
  bool security = false;
  std::string notes;
  std::optional<FirmwareSignature> signature;
  WallTime created{};
  bool damaged = false;  ///< its image was found rotten and set aside
};

}  // namespace ota
