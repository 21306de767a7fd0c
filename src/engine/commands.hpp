// What each command does: from a message or an order to changes of rows and an answer.
#pragma once

#include "ota/engine/engine.hpp"

namespace ota::engine {

class TaskService;

inline ErrorAnswer refuse(Errc code, std::string message, std::optional<TaskId> task = {}) {
  return {fail(code, std::move(message)), task};
}

// Devices (device_requests.cpp, device_reports.cpp, device_downloads.cpp): one function for each kind of DeviceMessage.
// A refusal comes back as an ErrorAnswer.
std::optional<Answer> on_message(TaskService& service, const DeviceId& id, const Credentials& who,
                                 const DeviceRequest& message);
std::optional<Answer> on_message(TaskService& service, const DeviceId& id, const Credentials& who,
                                 const ProgressReport& message);
std::optional<Answer> on_message(TaskService& service, const DeviceId& id, const Credentials& who,
                                 const VerifyReport& message);
std::optional<Answer> on_message(TaskService& service, const DeviceId& id, const Credentials& who,
                                 const AttributeReport& report);
/// Errc::unknown_device, Errc::not_authorized.
Result<std::optional<Answer>> on_listen(TaskService& service, const DeviceId& id, const Credentials& who);
ChunkAccess on_fetch(TaskService& service, const DeviceId& id, const Credentials& who, const TaskId& task_id);
/// A refusal keeps within what the device takes: what it said with this message, or before. Offers do by themselves.
void keep_within(TaskService& service, const DeviceId& id, std::optional<std::uint32_t> said, Answer& answer);
Admission on_download(TaskService& service, const DownloadClaim& claim);

// Operators (operator_commands.cpp, registry_commands.cpp).

/// Under which the answer to an order is kept; empty where it has no Idempotency-Key. Two operators may take the same.
inline std::string key_of(const UpgradeOrder& order, const std::string& actor) {
  return order.idempotency_key.empty() ? std::string{} : actor + '\n' + order.idempotency_key;
}
Result<UpgradeOutcome> on_upgrade(TaskService& service, const UpgradeOrder& order, const std::string& actor);
Result<Task> on_cancel(TaskService& service, const TaskId& id, const std::string& actor);
Result<Task> on_retry(TaskService& service, const TaskId& id, const std::string& actor);
Result<Task> on_set_priority(TaskService& service, const TaskId& id, Priority priority, const std::string& actor);

Result<PutDevice> on_change_device(TaskService& service, const DeviceChange& change);
Result<void> on_remove_device(TaskService& service, const std::string& id, const std::string& actor);
Result<void> on_set_secret(TaskService& service, const std::string& id, const Digest& secret);
Result<AddedFirmware> on_add_firmware(TaskService& service, Firmware wanted);
Result<Firmware> on_remove_firmware(TaskService& service, std::int64_t id);
/// False where tasks of that image are left for another command.
bool on_image_damaged(TaskService& service, const Digest& image);
/// How far the tasks of an image were looked at.
struct TaskCursor {
  std::int64_t firmware = 0;
  std::int64_t task = 0;
};
/// Its file is gone or there again. False where tasks of that image are left for another command; `at` is where it goes
/// on.
bool on_image_changed(TaskService& service, const Digest& image, TaskCursor& at);
/// Firmware of that image without a file gets one.
void on_image_hashed(TaskService& service, const firmware::Stored& image);
/// After the commit removes the image where no firmware has it.
void remove_unneeded(TaskService& service, const Digest& image);

/// The firmware for that version and hardware: its own before one that fits every device. `hardware` empty: unknown.
/// Errc::no_such_firmware, Errc::wrong_hardware, Errc::malformed (several fit, name one), Errc::image_damaged,
/// Errc::untrusted_firmware.
Result<Firmware> choose_firmware(TaskService& service, const std::string& version, const std::string& hardware);
/// A task for that device with the facts of that firmware; everything else is the default.
Task task_for(const Device& device, const Firmware& firmware, const ChunkGrid& grid);
/// Errc::image_too_large: fit_grid() has none for that device.
Error image_too_large(const Device& device, const std::string& version, std::uint64_t size);
/// Errc::wrong_hardware: it isn't registered as what it reports (Device::reported_hardware).
Error hardware_differs(const Device& device);
/// Errc::downgrade; Errc::already_installed where the device said itself that it runs that version.
Result<void> check_upgrade(const Device& device, const std::string& version);

}  // namespace ota::engine
