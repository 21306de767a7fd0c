#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ota/base/mutex.hpp"
#include "ota/base/worker_pool.hpp"
#include "ota/storage/readers.hpp"
#include "storage/sqlite_database.hpp"

namespace ota::storage {

class SqliteReaders;

/// What the connections of one backend know of each other.
struct Connections {
  std::atomic<bool> distrusted{false};  ///< the writer's maintenance failed: all must be closed
  Mutex mutex;
  std::set<SqliteReaders*> readers OTA_GUARDED_BY(mutex);
};

class SqliteReaders final : public Readers {
 public:
  static Result<std::unique_ptr<Readers>> open(const std::string& path, unsigned threads, Connections& connections);
  ~SqliteReaders() override;

  bool post(std::function<void(ReadView&)> job, std::function<void(Error)> failed) override;

  /// Closes every connection, waiting for jobs that run; each is opened again when it is needed.
  void close_all();

 private:
  struct Reader;
  struct Taken {
    std::unique_ptr<Reader> reader;  ///< null: to be opened again
    int generation = 0;
  };

  SqliteReaders(std::string path, std::vector<std::unique_ptr<Reader>> readers, Connections& connections);
  static Result<std::unique_ptr<Reader>> open_reader(const std::string& path, Connections& connections);
  void run(const std::function<void(ReadView&)>& job, const std::function<void(Error)>& failed);
  static void read(Reader& reader, const std::function<void(ReadView&)>& job,
                   const std::function<void(Error)>& failed);
  Taken take();
  void give_back(Taken taken);

  const std::string path_;
  Connections& connections_;
  Mutex mutex_;
  ConditionVariable closed_;
  std::vector<std::unique_ptr<Reader>> free_ OTA_GUARDED_BY(mutex_);
  int generation_ OTA_GUARDED_BY(mutex_) = 0;  // of the connections, one more at each close_all()
  int taken_ OTA_GUARDED_BY(mutex_) = 0;
  int old_ OTA_GUARDED_BY(mutex_) = 0;  // taken, and of an earlier generation
  WorkerPool pool_;                     // last: its threads end first
};

}  // namespace ota::storage
