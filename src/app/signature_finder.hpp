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
  /// Closes the connection; it is opened again when it is needed.
  void let_go();

 private:
  struct Reader {
    explicit Reader(std::unique_ptr<storage::Database> database) : db(std::move(database)) {}

    std::unique_ptr<storage::Database> db;
    storage::Tasks tasks{*db};
    storage::FirmwareTable firmware{*db};
  };

  explicit SignatureFinder(std::string database) : database_(std::move(database)) {}
  Result<void> open();

  const std::string database_;
  std::mutex mutex_;
  std::unique_ptr<Reader> reader_;  // protected by mutex_
};

}  // namespace ota::app
