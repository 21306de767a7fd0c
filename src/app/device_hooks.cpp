#include "app/device_hooks.hpp"

#include <fmt/format.h>

#include "ota/base/log.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::app {
namespace {

Result<void> judge(const std::optional<Device>& device, const DeviceId& id, const Credentials& who, bool required) {
  if (who.certified) return {};
  if (!device) return fail(Errc::unknown_device, fmt::format("device {} is not known", id.str()));
  if (device->secret && who.token_digest) {
    if (firmware::equal_secrets(*device->secret, *who.token_digest)) return {};
    return fail(Errc::not_authorized, fmt::format("device {} came with a wrong token", id.str()));
  }
  if (!required && !device->secret) return {};
  return fail(Errc::not_authorized, fmt::format("device {} must send its token", id.str()));
}

}  // namespace

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

void DeviceGate::authorize(const DeviceId& device, const Credentials& who, engine::Done<void> done) {
  const bool required = token_required_;
  const bool taken = readers_.post(
      [device, who, done, required](storage::ReadView& view) {
        done(judge(view.devices.find(device.str()), device, who, required));
      },
      [done](Error error) { done(std::move(error)); });
  if (!taken) done(fail(Errc::overloaded, "too much waits for the database: try again later"));
}

}  // namespace ota::app
