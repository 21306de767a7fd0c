#include "app/signature_finder.hpp"

#include <fmt/format.h>

#include "ota/base/log.hpp"

namespace ota::app {

Result<std::unique_ptr<SignatureFinder>> SignatureFinder::open(const std::string& database) {
  std::unique_ptr<SignatureFinder> finder(new SignatureFinder(database));
  if (auto opened = finder->open(); !opened) return opened.error();
  return finder;
}

Result<void> SignatureFinder::open() {
  auto db = storage::Database::open(database_, storage::Mode::reader);
  if (!db) return db.error();
  try {
    reader_ = std::make_unique<Reader>(std::move(*db));
  } catch (const storage::Fault& fault) {
    return fail(Errc::server_fault, fmt::format("the database {} can't be read: {}", database_, fault.what()));
  }
  return {};
}

std::optional<FirmwareSignature> SignatureFinder::find(const TaskId& id) {
  const std::lock_guard lock(mutex_);
  if (!reader_) {
    if (auto opened = open(); !opened) {
      log::error(opened.error().message);
      return std::nullopt;
    }
  }
  try {
    const auto task = reader_->tasks.find(id.number);
    const auto firmware = task ? reader_->firmware.find(task->firmware_id) : std::nullopt;
    return firmware ? firmware->signature : std::nullopt;
  } catch (const storage::Fault& fault) {
    log::error(fmt::format("the signature of task={} can't be read: {}", id.str(), fault.what()));
    return std::nullopt;
  }
}

void SignatureFinder::let_go() {
  const std::lock_guard lock(mutex_);
  reader_.reset();
}

}  // namespace ota::app
