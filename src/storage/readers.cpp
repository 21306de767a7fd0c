#include "ota/storage/readers.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "ota/base/fault.hpp"
#include "ota/base/log.hpp"
#include "ota/base/worker_pool.hpp"

namespace ota::storage {
namespace {

constexpr std::size_t kMaxWaiting = 1'000;

struct Reader {
  explicit Reader(std::unique_ptr<Database> database) : db(std::move(database)) {}

  std::unique_ptr<Database> db;
  Tasks tasks{*db};
  Devices devices{*db};
  FirmwareTable firmware{*db};
  TransferLog log{*db};
  Keys keys{*db};
  AuditLog audit{*db};
};

Result<std::unique_ptr<Reader>> open_reader(const std::string& database) {
  auto db = Database::open(database, Mode::reader);
  if (!db) return db.error();
  try {
    return std::make_unique<Reader>(std::move(db.value()));
  } catch (const Fault& e) {
    return fail(Errc::server_fault, "the database " + database + " can't be read: " + e.what());
  }
}

class ReadersImpl final : public Readers {
 public:
  ReadersImpl(std::string database, std::vector<std::unique_ptr<Reader>> readers)
      : database_(std::move(database)), free_(std::move(readers)), pool_("otad-read", free_.size(), kMaxWaiting) {}

  bool post(std::function<void(ReadView&)> job, std::function<void(Error)> failed) override {
    return pool_.post([this, job = std::move(job), failed = std::move(failed)] { run(job, failed); });
  }

  void let_go() override {
    std::unique_lock lock(mutex_);
    for (auto& reader : free_) reader.reset();
    ++generation_;
    old_ += std::exchange(taken_, 0);
    closed_.wait(lock, [this] { return old_ == 0; });
  }

 private:
  void run(const std::function<void(ReadView&)>& job, const std::function<void(Error)>& failed) {
    auto [reader, generation] = take();
    if (!reader) {
      auto opened = open_reader(database_);
      if (opened) {
        reader = std::move(*opened);
      } else {
        log::error(opened.error().message);
        failed(opened.error());
      }
    }
    if (reader) read(*reader, job, failed);
    give_back(std::move(reader), generation);
  }

  static void read(Reader& reader, const std::function<void(ReadView&)>& job,
                   const std::function<void(Error)>& failed) {
    try {
      reader.db->begin();
      ReadView view{reader.tasks, reader.devices, reader.firmware, reader.log, reader.keys, reader.audit};
      job(view);
    } catch (const Fault& e) {
      log::error(std::string("the database can't be read: ") + e.what());
      failed(fail(Errc::server_fault, "the database can't be read now; try again"));
    } catch (const BadRow& e) {  // logged where it was met
      failed(fail(Errc::server_fault, std::string(e.what()) + "; GET /readyz names all such rows"));
    } catch (...) {
      log::error("reading the database failed by a fault in otad: " + describe_exception(std::current_exception()));
      failed(fail(Errc::server_fault, "reading the database failed; the server's log says why"));
    }
    reader.db->rollback();
  }

  // As many readers as threads: one is always free for the thread that asks. Null: to be opened again.
  std::pair<std::unique_ptr<Reader>, int> take() {
    std::lock_guard lock(mutex_);
    auto reader = std::move(free_.back());
    free_.pop_back();
    ++taken_;
    return {std::move(reader), generation_};
  }
  void give_back(std::unique_ptr<Reader> reader, int generation) {
    std::lock_guard lock(mutex_);
    if (generation == generation_) {
      --taken_;
    } else {
      reader.reset();
      if (--old_ == 0) closed_.notify_all();
    }
    free_.push_back(std::move(reader));
  }

  const std::string database_;
  std::mutex mutex_;
  std::condition_variable closed_;
  std::vector<std::unique_ptr<Reader>> free_;  // protected by mutex_
  int generation_ = 0;                         // protected by mutex_; of the connections, one more at each let_go()
  int taken_ = 0;                              // protected by mutex_
  int old_ = 0;                                // protected by mutex_; taken, and of an earlier generation
  WorkerPool pool_;                            // last: its threads end first
};

}  // namespace

Result<std::unique_ptr<Readers>> Readers::open(const std::string& database, unsigned threads) {
  std::vector<std::unique_ptr<Reader>> readers;
  for (unsigned i = 0; i < threads; ++i) {
    auto reader = open_reader(database);
    if (!reader) return reader.error();
    readers.push_back(std::move(*reader));
  }
  return std::unique_ptr<Readers>(std::make_unique<ReadersImpl>(database, std::move(readers)));
}

}  // namespace ota::storage
