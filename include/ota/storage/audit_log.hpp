#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ota/domain/audit.hpp"

namespace ota::storage {

/// Append-only: nothing here changes an entry, and none goes before its time.
class AuditLog {
 public:
  virtual ~AuditLog() = default;

  virtual void add(const AuditEntry& entry) = 0;
  /// Removes entries older than `before`, at most `limit`; answers how many.
  virtual int prune(WallTime before, int limit) = 0;

  /// Newest first, ids below `before` (0: from the newest), not older than `since`; of one actor where one is named.
  virtual std::vector<AuditEntry> list(std::optional<WallTime> since, const std::optional<std::string>& actor,
                                       std::int64_t before, int limit) const = 0;
};

}  // namespace ota::storage
