#include "ota/storage/readers.hpp"

#include <mutex>

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

class ReadersImpl final : public Readers {
 public:
  explicit ReadersImpl(std::vector<std::unique_ptr<Reader>> readers)
      : free_(std::move(readers)), pool_("otad-read", free_.size(), kMaxWaiting) {}

  bool post(std::function<void(ReadView&)> job, std::function<void(Error)> failed) override {
    return pool_.post([this, job = std::move(job), failed = std::move(failed)] { run(job, failed); });
  }

 private:
  void run(const std::function<void(ReadView&)>& job, const std::function<void(Error)>& failed) {
    auto reader = take();
    try {
      reader->db->begin();
      ReadView view{reader->tasks, reader->devices, reader->firmware, reader->log, reader->keys,
                    reader->audit};
      job(view);
    } catch (const Fault& e) {
      log::error(std::string("the database can't be read: ") + e.what());
      failed(fail(Errc::server_fault, "the database can't be read now; try again"));
    }
    reader->db->rollback();
    give_back(std::move(reader));
  }

  // As many readers as threads: one is always free for the thread that asks.
  std::unique_ptr<Reader> take() {
    std::lock_guard lock(mutex_);
    auto reader = std::move(free_.back());
    free_.pop_back();
    return reader;
  }
  void give_back(std::unique_ptr<Reader> reader) {
    std::lock_guard lock(mutex_);
    free_.push_back(std::move(reader));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Reader>> free_;  // protected by mutex_
  WorkerPool pool_;                            // last: its threads end first
};

}  // namespace

Result<std::unique_ptr<Readers>> Readers::open(const std::string& database, unsigned threads) {
  std::vector<std::unique_ptr<Reader>> readers;
  for (unsigned i = 0; i < threads; ++i) {
    auto db = Database::open(database, Mode::reader);
    if (!db) return db.error();
    try {
      readers.push_back(std::make_unique<Reader>(std::move(db.value())));
    } catch (const Fault& e) {
      return fail(Errc::server_fault, "the database " + database + " can't be read: " + e.what());
    }
  }
  return std::unique_ptr<Readers>(std::make_unique<ReadersImpl>(std::move(readers)));
}

}  // namespace ota::storage
