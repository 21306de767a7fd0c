#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ota/domain/firmware.hpp"

namespace ota::storage {

/// What firmware there is; one row for each version and hardware.
class FirmwareCatalogue {
 public:
  virtual ~FirmwareCatalogue() = default;

  /// Gives it its id. Fault::Kind::constraint where that version for that hardware is there.
  virtual void insert(Firmware& firmware) = 0;
  virtual void update(const Firmware& firmware) = 0;  ///< security, notes, signature, damaged, blocked, file
  virtual bool remove(std::int64_t id) = 0;           ///< whether it was there

  virtual std::optional<Firmware> find(std::int64_t id) const = 0;
  virtual std::optional<Firmware> find(const std::string& version, const std::string& hardware) const = 0;
  /// All hardware that has this version, at most 1,000.
  virtual std::vector<Firmware> with_version(const std::string& version) const = 0;
  /// The same for every version that compares as equal (same_version); goes through the catalogue's versions.
  virtual std::vector<Firmware> with_same_version(const std::string& version) const = 0;
  virtual std::vector<Firmware> with_image(const Digest& image) const = 0;
  /// Newest first, ids below `before` (0: from the newest).
  virtual std::vector<Firmware> list(std::int64_t before, int limit) const = 0;
  virtual std::vector<Firmware> all() const = 0;
};

}  // namespace ota::storage
