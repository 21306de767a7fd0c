#include "app/signature_finder.hpp"

#include <fmt/format.h>

#include "ota/base/log.hpp"

namespace ota::app {

SignatureFinder::SignatureFinder(std::unique_ptr<storage::Database> db)
    : db_(std::move(db)), tasks_(*db_), firmware_(*db_) {}

Result<std::unique_ptr<SignatureFinder>> SignatureFinder::open(const std::string& database) {
  auto db = storage::Database::open(database, storage::Mode::reader);
  if (!db) return db.error();
  try {
    return std::unique_ptr<SignatureFinder>(new SignatureFinder(std::move(*db)));
  } catch (const storage::Fault& fault) {
    return fail(Errc::server_fault, fmt::format("the database {} can't be read: {}", database, fault.what()));
  }
}

std::optional<FirmwareSignature> SignatureFinder::find(const TaskId& id) {
  const std::lock_guard lock(mutex_);
  try {
    const auto task = tasks_.find(id.number);
    const auto firmware = task ? firmware_.find(task->firmware_id) : std::nullopt;
    return firmware ? firmware->signature : std::nullopt;
  } catch (const storage::Fault& fault) {
    log::error(fmt::format("the signature of task={} can't be read: {}", id.str(), fault.what()));
    return std::nullopt;
  }
}

}  // namespace ota::app
