// SQLite: opening, migrating, transactions, copies.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "ota/base/result.hpp"

namespace ota::storage {

/// The database failed (disk full, I/O error, corruption): the unit of work it happened in must be rolled back. The
/// one exception that leaves this room; a row that isn't there is no fault. Of `constraint`, a rule of the schema, only
/// the statement was refused: undoing the nested unit is enough.
class Fault : public std::runtime_error {
 public:
  enum class Kind { disk_full, io, busy, constraint, other };
  Fault(Kind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  Kind kind() const noexcept { return kind_; }

 private:
  Kind kind_;
};

enum class Mode {
  writer,  ///< the daemon's: makes the database and brings its schema to the newest
  editor,  ///< changes rows beside a daemon that may run: the schema must be this program's, and is never changed
  reader,  ///< the same, and changes nothing
  copier   ///< for backup_to(), whatever the schema
};

/// One connection: WAL, synchronous=FULL, foreign keys on. Not thread-safe: one thread a connection.
class Database {
 public:
  /// `writer` creates the file (0640) and migrates it, after a copy; task numbers go on above all that were ever given
  /// out. A newer schema than this program's is refused with both numbers; so is what is no database of otad's, or
  /// none.
  static Result<std::unique_ptr<Database>> open(const std::string& path, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void begin();
  /// On disk when it returns.
  void commit();
  /// Never throws; harmless without a transaction.
  void rollback() noexcept;

  /// The writer's: copies the write-ahead log into the database once it is long enough, which is sooner `at_rest`,
  /// while hardly anybody waits for commits; false where it wasn't. Call it now and then, after a commit. A Fault: the
  /// disk failed, and no later checkpoint of any open connection makes that good, for SQLite takes pages as safe whose
  /// sync failed later. Close all connections of the program by distrust() and open them afresh.
  bool checkpoint_when_due(bool at_rest);
  /// Copies all of it and empties the log; nothing where readers are in the way.
  void checkpoint_all();
  /// From now on closing this connection leaves the write-ahead log as it is, for the next one to read anew.
  void distrust() noexcept;

  /// A nested unit: undone on destruction unless release()d.
  class Savepoint {
   public:
    explicit Savepoint(Database& db);
    ~Savepoint();
    void release();

   private:
    Database& db_;
    bool open_ = true;
  };

  /// A consistent copy while others write, in one file, marked as a copy: numbers of tasks go on far above when it is
  /// put back. Errc::disk_full, Errc::server_fault.
  Result<void> backup_to(const std::string& file);

  struct Impl;
  Impl& impl() noexcept { return *impl_; }

 private:
  Database();
  std::unique_ptr<Impl> impl_;
};

/// Before a start: whether an existing database of up to 128 MiB is whole (PRAGMA quick_check). Errc::server_fault says
/// what is wrong and what to do; nothing is changed.
Result<void> check_database(const std::string& path);

}  // namespace ota::storage
