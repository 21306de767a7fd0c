// Reading beside the engine: read-only connections on threads of their own.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ota/base/result.hpp"
#include "ota/storage/tables.hpp"

namespace ota::storage {

/// The tables as one reading thread sees them.
struct ReadView {
  Tasks& tasks;
  Devices& devices;
  FirmwareTable& firmware;
  TransferLog& log;
  Keys& keys;
  AuditLog& audit;
};

/// Thread-safe. WAL readers never wait for the engine, nor it for them.
class Readers {
 public:
  static Result<std::unique_ptr<Readers>> open(const std::string& database, unsigned threads);
  virtual ~Readers() = default;

  /// Runs `job` on a reading thread, in one read transaction; false where too many wait. `job` may throw Fault, which
  /// is logged and given to `failed` in words.
  [[nodiscard]] virtual bool post(std::function<void(ReadView&)> job, std::function<void(Error)> failed) = 0;

  /// Closes every connection, waiting for jobs that run; each is opened again when it is needed.
  virtual void let_go() = 0;
};

}  // namespace ota::storage
