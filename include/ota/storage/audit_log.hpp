#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ota/domain/audit.hpp"

namespace ota::storage {

/// What isn't given selects all.
struct AuditFilter {
  std::optional<WallTime> since{};  ///< that time and later
  std::optional<WallTime> until{};  ///< before that time
  std::optional<std::string> actor{};
  std::optional<std::string> action{};
  std::optional<std::string> target{};
  std::optional<std::string> outcome{};
};

/// Append-only: nothing here changes an entry, and none goes before its time.
class AuditLog {
 public:
  virtual ~AuditLog() = default;

  virtual void add(const AuditEntry& entry) = 0;
  /// Removes entries older than `before`, at most `limit`; answers how many.
  virtual int prune(WallTime before, int limit) = 0;

  /// Newest first, ids below `before` (0: from the newest).
  virtual std::vector<AuditEntry> list(const AuditFilter& filter, std::int64_t before, int limit) const = 0;
  /// How many entries there are, in constant time.
  virtual std::int64_t count() const = 0;
};

}  // namespace ota::storage
