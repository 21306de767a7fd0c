// What the devices' side asks of the database besides the engine.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "ota/api/device_api.hpp"
#include "ota/storage/readers.hpp"

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

/// Whether a device that came over HTTP is who it says: the engine's rule, read beside the engine. Thread-safe.
class DeviceGate {
 public:
  DeviceGate(storage::Readers& readers, bool token_required) : readers_(readers), token_required_(token_required) {}
  void set_token_required(bool required) { token_required_ = required; }
  void authorize(const DeviceId& device, const Credentials& who, engine::Done<void> done);

 private:
  storage::Readers& readers_;
  std::atomic<bool> token_required_;
};

}  // namespace ota::app
