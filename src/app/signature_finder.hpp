// Signatures of tasks' firmware, for manifests.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "ota/storage/tables.hpp"

namespace ota::app {

/// Finds a task's signature on a reading connection of its own: two index seeks. Thread-safe; its lock is a leaf.
class SignatureFinder {
 public:
  static Result<std::unique_ptr<SignatureFinder>> open(const std::string& database);
  /// Nothing too where the database can't be read: the manifest then goes out without it.
  std::optional<FirmwareSignature> find(const TaskId& task);

 private:
  explicit SignatureFinder(std::unique_ptr<storage::Database> db);

  std::mutex mutex_;
  std::unique_ptr<storage::Database> db_;  // protected by mutex_, as are the tables
  storage::Tasks tasks_;
  storage::FirmwareTable firmware_;
};

}  // namespace ota::app
