#include "storage/sqlite_readers.hpp"

#include <utility>

#include "ota/base/fault.hpp"
#include "ota/base/log.hpp"

namespace ota::storage {
namespace {

constexpr std::size_t kMaxWaiting = 1'000;

}  // namespace

struct SqliteReaders::Reader {
  explicit Reader(std::unique_ptr<SqliteDatabase> database) : db(std::move(database)) {}

  std::unique_ptr<SqliteDatabase> db;
  Tasks tasks{*db};
  Devices devices{*db};
  Rollouts rollouts{*db};
  Fleet fleet{*db};
  TransferLog log{*db};
};

Result<std::unique_ptr<SqliteReaders::Reader>> SqliteReaders::open_reader(const std::string& path,
                                                                          Connections& connections) {
  auto db = SqliteDatabase::open(path, Mode::reader, connections.distrusted);
  if (!db) return db.error();
  return std::make_unique<Reader>(std::move(*db));
}

Result<std::unique_ptr<Readers>> SqliteReaders::open(const std::string& path, unsigned threads,
                                                     Connections& connections) {
  std::vector<std::unique_ptr<Reader>> readers;
  for (unsigned i = 0; i < threads; ++i) {
    auto reader = open_reader(path, connections);
    if (!reader) return reader.error();
    readers.push_back(std::move(*reader));
  }
  return std::unique_ptr<Readers>(new SqliteReaders(path, std::move(readers), connections));
}

SqliteReaders::SqliteReaders(std::string path, std::vector<std::unique_ptr<Reader>> readers, Connections& connections)
    : path_(std::move(path)),
      connections_(connections),
      free_(std::move(readers)),
      pool_("otad-read", free_.size(), kMaxWaiting) {
  const MutexLock lock(connections_.mutex);
  connections_.readers.insert(this);
}

SqliteReaders::~SqliteReaders() {
  const MutexLock lock(connections_.mutex);
  connections_.readers.erase(this);
}

bool SqliteReaders::post(std::function<void(ReadView&)> job, std::function<void(Error)> failed) {
  return pool_.post([this, job = std::move(job), failed = std::move(failed)] { run(job, failed); });
}

void SqliteReaders::close_all() {
  const MutexLock lock(mutex_);
  for (auto& reader : free_) reader.reset();
  ++generation_;
  old_ += std::exchange(taken_, 0);
  while (old_ > 0) closed_.wait(mutex_);
}

void SqliteReaders::run(const std::function<void(ReadView&)>& job, const std::function<void(Error)>& failed) {
  auto taken = take();
  if (!taken.reader) {
    auto opened = open_reader(path_, connections_);
    if (opened) {
      taken.reader = std::move(*opened);
    } else {
      log::error(opened.error().message);
      failed(opened.error());
    }
  }
  if (taken.reader) read(*taken.reader, job, failed);
  give_back(std::move(taken));
}

void SqliteReaders::read(Reader& reader, const std::function<void(ReadView&)>& job,
                         const std::function<void(Error)>& failed) {
  try {
    reader.db->begin();
    ReadView view{reader.tasks,          reader.devices,        reader.rollouts,        reader.fleet, reader.log,
                  reader.db->firmware(), reader.db->api_keys(), reader.db->audit_log(), reader.db->event_log(), reader.db->webhooks(), reader.db->metadata()};
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

// As many readers as threads: one is always free for the thread that asks.
SqliteReaders::Taken SqliteReaders::take() {
  const MutexLock lock(mutex_);
  auto reader = std::move(free_.back());
  free_.pop_back();
  ++taken_;
  return {std::move(reader), generation_};
}

void SqliteReaders::give_back(Taken taken) {
  const MutexLock lock(mutex_);
  if (taken.generation == generation_) {
    --taken_;
  } else {
    taken.reader.reset();
    if (--old_ == 0) closed_.notify_all();
  }
  free_.push_back(std::move(taken.reader));
}

}  // namespace ota::storage
