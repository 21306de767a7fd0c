// The engine's connection to the database: opened, copied out of its log, closed where the disk fails, opened afresh.
#include <utility>

#include "engine/engine_loop.hpp"
#include "engine/task_service.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

constexpr Millis kLookAtLogEvery{500};  // whether it is long enough to be copied while nothing waits

}  // namespace

Result<void> EngineLoop::open() {
  auto db = storage::Database::open(path_, storage::Mode::writer);
  if (!db) return db.error();
  try {
    db_ = std::move(db.value());
    service_ = std::make_unique<TaskService>(*db_, options(), clock_, random_, transfers_, images_, notifier_,
                                             [this](auto job) { later(std::move(job)); });
    service_->stats = counters_;
    service_->resync();
    slots_held_ = service_->rows.unit.slots_held();
    service_->rows.unit.discard();
  } catch (const std::exception& e) {
    service_.reset();
    db_.reset();
    return fail(Errc::server_fault, "the database " + path_ + " can't be read: " + e.what());
  }
  return {};
}

void EngineLoop::close(const std::string& why) {
  service_.reset();
  db_.reset();
  publish(why);
}

bool EngineLoop::reopen() {
  if (clock_.steady() < reopen_after_) return false;
  reopen_after_ = clock_.steady() + kReopenEvery;
  if (distrusted_ && close_other_connections_) close_other_connections_();
  distrusted_ = false;
  auto opened = open();
  if (opened) opened = probe_write();
  if (opened) {
    log::info("the database was opened afresh");
    later([](TaskService& service) { service.lifecycle.resume_active(); });
    return true;
  }
  publish(opened.error().message);
  return false;
}

/// That the disk takes and keeps what is written, before anything is answered on it: all of the write-ahead log once
/// more, and a commit.
Result<void> EngineLoop::probe_write() {
  try {
    db_->checkpoint_all();
    db_->begin();
    service_->housekeeping.keep_time();
    db_->commit();
    return {};
  } catch (const storage::Fault& e) {
    distrusted_ = e.kind() == storage::Fault::Kind::io;
    if (distrusted_) db_->distrust();
    service_.reset();
    db_.reset();
    return fail(Errc::server_fault, std::string("the database can't be written: ") + e.what());
  }
}

/// What was committed lies in the write-ahead log; now and then it moves on. `few`: no more than one command was
/// decided. False where the disk failed a sync.
bool EngineLoop::checkpoint(bool few) {
  try {
    const auto now = clock_.steady();
    const bool at_rest = few && queue_.size() == 0 && now - looked_at_log_ >= kLookAtLogEvery;
    if (at_rest) looked_at_log_ = now;
    if (db_->checkpoint_when_due(at_rest)) log_stays_ = false;
    return true;
  } catch (const storage::Fault& e) {
    const bool full = e.kind() == storage::Fault::Kind::disk_full;
    // The log keeps all that was committed, and grows until there is room.
    if (full && std::exchange(log_stays_, true)) return true;
    log::error(std::string("the write-ahead log can't be copied into the database: ") + e.what() +
               (full ? "; make room on its disk" : "; check the disk, the database is opened afresh"));
    if (full) return true;
    counters_ = service_->stats;
    ++counters_.commit_faults;
    distrusted_ = true;
    db_->distrust();
    close(e.what());
    return false;
  }
}

}  // namespace ota::engine
