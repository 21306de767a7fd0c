#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ota/domain/task.hpp"

namespace ota::storage {

class Database;

/// Holds prepared statements on one connection and is used from that connection's thread.
class TransferLog {
 public:
  explicit TransferLog(Database& db);
  ~TransferLog();

  void add(const LogEntry& entry);
  /// Oldest first, ids after `after`.
  std::vector<LogEntry> list(std::int64_t task, std::int64_t after, int limit);
  /// Removes entries older than `before`, at most `limit`; answers how many.
  int prune(WallTime before, int limit);
  /// The chunks that arrived wrong in an attempt, as the device reported them one time after the other.
  std::vector<ChunkRanges> mismatches(std::int64_t task, int attempt);
  /// Whether the task has at least `count` entries.
  bool has_lines(std::int64_t task, int count);
  /// Removes entries of one task, at most `limit`; answers how many.
  int remove_of(std::int64_t task, int limit);

 private:
  struct Statements;
  std::unique_ptr<Statements> q_;
};

}  // namespace ota::storage
