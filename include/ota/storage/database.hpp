// One connection to the storage: transactions, maintenance, and the rows by matter.
#pragma once

#include <cstdint>

#include "ota/storage/api_keys.hpp"
#include "ota/storage/audit_log.hpp"
#include "ota/storage/bad_rows.hpp"
#include "ota/storage/event_log.hpp"
#include "ota/storage/fault.hpp"
#include "ota/storage/firmware_catalogue.hpp"
#include "ota/storage/idempotency_keys.hpp"
#include "ota/storage/metadata.hpp"
#include "ota/storage/webhooks.hpp"

namespace ota::storage {

/// How much waits for commits while the storage is maintained.
enum class Load : std::uint8_t { idle, busy };

/// Made by Backend::open(). Not thread-safe: one thread a connection. What it hands out lives as long as it does, works
/// inside its transaction, and may throw Fault; what answers one row throws BadRow where it can't be read, lists pass
/// over such rows and name them in bad_rows().
class Database {
 public:
  virtual ~Database() = default;
  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  virtual void begin() = 0;
  /// Persisted when it returns. Throws Fault, `ambiguous` where the disk failed.
  virtual void commit() = 0;
  /// Harmless without a transaction.
  virtual void rollback() noexcept = 0;

  /// A nested unit: undone on destruction unless release()d.
  class Savepoint {
   public:
    explicit Savepoint(Database& db) : db_(db) { db_.begin_nested(); }
    ~Savepoint() {
      if (open_) db_.undo_nested();
    }
    Savepoint(const Savepoint&) = delete;
    Savepoint& operator=(const Savepoint&) = delete;
    void release() {
      db_.keep_nested();
      open_ = false;
    }

   private:
    Database& db_;
    bool open_ = true;
  };

  /// Does what is due of the backend's own upkeep. The writer calls it after each commit; mostly it returns at once.
  /// Throws Fault where what was committed is safe but the connection isn't any more: close it and open it again.
  virtual void maintain(Load load) = 0;

  virtual FirmwareCatalogue& firmware() = 0;
  virtual AuditLog& audit_log() = 0;
  virtual EventLog& event_log() = 0;
  virtual Webhooks& webhooks() = 0;
  virtual ApiKeys& api_keys() = 0;
  virtual Metadata& metadata() = 0;
  virtual IdempotencyKeys& idempotency_keys() = 0;

 private:
  virtual void begin_nested() = 0;
  virtual void keep_nested() = 0;
  virtual void undo_nested() noexcept = 0;
};

}  // namespace ota::storage
