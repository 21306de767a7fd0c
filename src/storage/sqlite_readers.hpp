#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ota/base/worker_pool.hpp"
#include "ota/storage/readers.hpp"
#include "storage/sqlite_database.hpp"

namespace ota::storage {

class SqliteReaders;

/// What the connections of one backend know of each other.
struct Connections {
  std::atomic<bool> distrusted{false};  ///< the writer's maintenance failed: all must be closed
  std::mutex mutex;
  std::set<SqliteReaders*> readers;  // protected by mutex
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
  std::mutex mutex_;
  std::condition_variable closed_;
  std::vector<std::unique_ptr<Reader>> free_;  // protected by mutex_
  int generation_ = 0;                         // protected by mutex_; of the connections, one more at each close_all()
  int taken_ = 0;                              // protected by mutex_
  int old_ = 0;                                // protected by mutex_; taken, and of an earlier generation
  WorkerPool pool_;                            // last: its threads end first
};

}  // namespace ota::storage
