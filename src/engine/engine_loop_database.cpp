// The engine's connection to the database: opened, maintained, closed where the disk fails, opened afresh.
#include <utility>

#include "engine/engine_loop.hpp"
#include "engine/task_service.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {

Result<void> EngineLoop::open() {
  auto db = storage_.open(storage::Mode::writer);
  if (!db) return db.error();
  try {
    db_ = std::move(db.value());
    service_ = std::make_unique<TaskService>(*db_, options(), clock_, random_, transfers_, idle_polls_, images_, notifier_,
                                             [this](auto job) { later(std::move(job)); });
    service_->stats = counters_;
    service_->resync();
    slots_held_ = service_->rows.unit.queue().slots_held();
    service_->rows.unit.discard();
  } catch (const std::exception& e) {
    service_.reset();
    db_.reset();
    return fail(Errc::server_fault, std::string("the database can't be read: ") + e.what());
  }
  return {};
}

void EngineLoop::close(const std::string& why) {
  service_.reset();
  db_.reset();
  fault_ = why;
  publish(why);
}

bool EngineLoop::reopen() {
  if (clock_.steady() < reopen_after_) return false;
  reopen_after_ = clock_.steady() + kReopenEvery;
  auto opened = open();
  if (opened) opened = probe_write();
  if (opened) {
    log::info("the database was opened afresh");
    later([why = fault_](TaskService& service) {
      service.events.server(EventType::server_recovered, "database", why);
      service.lifecycle.resume_active();
    });
    return true;
  }
  publish(opened.error().message);
  return false;
}

/// That the disk takes and keeps a commit, before anything is answered on it.
Result<void> EngineLoop::probe_write() {
  try {
    db_->begin();
    service_->housekeeping.keep_time();
    db_->commit();
    return {};
  } catch (const storage::Fault& e) {
    service_.reset();
    db_.reset();
    return fail(Errc::server_fault, std::string("the database can't be written: ") + e.what());
  }
}

/// `few`: no more than one command was decided. False where the database must be opened afresh.
bool EngineLoop::maintain(bool few) {
  try {
    db_->maintain(few && queue_.size() == 0 ? storage::Load::idle : storage::Load::busy);
    return true;
  } catch (const storage::Fault& e) {
    counters_ = service_->stats;
    ++counters_.commit_faults;
    close(e.what());
    return false;
  }
}

}  // namespace ota::engine
