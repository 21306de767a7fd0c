// What each command does: from a message or an order to changes of the ledger and an answer.
#pragma once

#include "engine/ledger.hpp"

namespace ota::engine {

// Devices (device_commands.cpp). A refusal comes back as an ErrorAnswer.
std::optional<Answer> on_request(Ledger& ledger, const DeviceId& id, const Credentials& who,
                                 const DeviceRequest& message);
std::optional<Answer> on_progress(Ledger& ledger, const DeviceId& id, const Credentials& who,
                                  const ProgressReport& message);
std::optional<Answer> on_verify(Ledger& ledger, const DeviceId& id, const Credentials& who,
                                const VerifyReport& message);
/// Errc::unknown_device, Errc::not_authorized.
Result<std::optional<Answer>> on_listen(Ledger& ledger, const DeviceId& id, const Credentials& who);
ChunkAccess on_fetch(Ledger& ledger, const DeviceId& id, const Credentials& who, const TaskId& task_id);
/// A refusal keeps within what the device takes: what it said with this message, or before. Offers do by themselves.
void keep_within(Ledger& ledger, const DeviceId& id, std::optional<std::uint32_t> said, Answer& answer);
Admission on_download(Ledger& ledger, const DownloadClaim& claim);

// Operators (operator_commands.cpp, registry_commands.cpp).
Result<UpgradeOutcome> on_upgrade(Ledger& ledger, const UpgradeOrder& order, const std::string& actor);
Result<Task> on_cancel(Ledger& ledger, const TaskId& id, const std::string& actor);
Result<Task> on_retry(Ledger& ledger, const TaskId& id, const std::string& actor);
Result<Task> on_set_priority(Ledger& ledger, const TaskId& id, Priority priority, const std::string& actor);

Result<Engine::PutDevice> on_change_device(Ledger& ledger, const DeviceChange& change);
Result<void> on_remove_device(Ledger& ledger, const std::string& id, const std::string& actor);
Result<void> on_set_secret(Ledger& ledger, const std::string& id, const Digest& secret);
Result<Engine::AddedFirmware> on_add_firmware(Ledger& ledger, Firmware wanted);
Result<Firmware> on_remove_firmware(Ledger& ledger, std::int64_t id);
/// False where tasks of that image are left for another command.
bool on_image_damaged(Ledger& ledger, const Digest& image);
/// How far the tasks of an image were looked at.
struct TaskCursor {
  std::int64_t firmware = 0;
  std::int64_t task = 0;
};
/// Its file is gone or there again. False where tasks of that image are left for another command; `at` is where it goes
/// on.
bool on_image_changed(Ledger& ledger, const Digest& image, TaskCursor& at);
/// After the commit removes the image where no firmware has it.
void remove_unneeded(Ledger& ledger, const Digest& image);

/// The firmware for that version and hardware: its own before one that fits every device. `hardware` empty: unknown.
/// Errc::no_such_firmware, Errc::wrong_hardware, Errc::malformed (several fit, name one), Errc::image_damaged,
/// Errc::untrusted_firmware.
Result<Firmware> choose_firmware(Ledger& ledger, const std::string& version, const std::string& hardware);
/// Errc::image_too_large: fit_grid() has none for that device.
Error image_too_large(const Device& device, const std::string& version, std::uint64_t size);
/// Errc::downgrade; Errc::already_installed where the device said itself that it runs that version.
Result<void> check_upgrade(const Device& device, const std::string& version);

}  // namespace ota::engine
