// Where state is kept. The one place that knows which kind of storage the settings name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ota/base/result.hpp"
#include "ota/base/settings.hpp"
#include "ota/storage/database.hpp"
#include "ota/storage/readers.hpp"

namespace ota::storage {

enum class Mode : std::uint8_t {
  writer,  ///< the daemon's, one at a time: makes the database and brings its schema to the newest
  editor,  ///< changes rows beside a daemon that may run: the schema must be this program's, and is never changed
  reader   ///< the same, and changes nothing
};

/// One for a program and a database; thread-safe, and outlives what it opens.
class Backend {
 public:
  virtual ~Backend() = default;

  /// Before a start: whether an existing database of moderate size is whole. Errc::server_fault says what is wrong and
  /// what to do; nothing is changed.
  virtual Result<void> check() = 0;

  /// `writer` makes what isn't there and migrates it, after a copy; task numbers go on above all that were ever given
  /// out. A newer schema than this program's is refused with both numbers; so is what is no database of otad's, or
  /// none. After a Fault of the last writer's maintenance it first closes the readers' connections and waits for those
  /// that read; opened again, it also has proven that the disk takes what was committed before.
  virtual Result<std::unique_ptr<Database>> open(Mode mode) = 0;

  /// Connections for reading beside the writer, each with a thread of its own.
  virtual Result<std::unique_ptr<Readers>> open_readers(unsigned threads) = 0;

  /// A consistent copy of all while others write, in one file, whatever its schema; marked as a copy: numbers of tasks
  /// go on far above when it is put back. Errc::disk_full, Errc::server_fault.
  virtual Result<void> backup_to(const std::string& file) = 0;
};

/// Of a database file, also of a copy. Errc::server_fault: it can't be read.
Result<int> schema_of_file(const std::string& file);
/// That this program works with.
int newest_schema();

/// Of the kind that the settings name. Opens nothing yet.
std::unique_ptr<Backend> make_backend(const StorageSettings& settings);

}  // namespace ota::storage
