#include "rest/explanation.hpp"

#include <fmt/format.h>

#include "ota/domain/download_allowance.hpp"
#include "ota/domain/version.hpp"

namespace ota::rest {
namespace {

std::string device_wait(const Task& task, const QueueFacts& facts) {
  const bool known = facts.device && facts.device->last_seen;
  const auto seen = known ? fmt::format("last seen at {}", to_rfc3339(*facts.device->last_seen)) : "never seen yet";
  if (task.parked) return fmt::format("suspended: the device went offline; waits for the device ({})", seen);
  return fmt::format("waits for the device to come online ({})", seen);
}

std::string slot_wait(const QueueFacts& facts) {
  if (facts.before == 0) return "is next in the queue; waits for a free slot";
  const auto* more = facts.before >= kCountedBefore ? "at least " : "";
  return fmt::format("waits for a free slot behind {}{} other task{}", more, facts.before,
                     facts.before == 1 ? "" : "s");
}

std::string trust_wait(const QueueFacts& facts) {
  if (facts.firmware && facts.firmware->blocked)
    return fmt::format("waits: an operator blocked the firmware: {}", *facts.firmware->blocked);
  if (!facts.firmware) return "waits: the record of the firmware can't be read (GET /readyz names it)";
  if (!facts.firmware->signature)
    return "waits: the firmware is not signed, and security.require_signed_firmware is set";
  return fmt::format(
      "waits: the firmware is signed with the key {}, which is not trusted at present (security.trusted_keys_dir)",
      facts.firmware->signature->key_id);
}

std::string explain_queued(const Task& task, const QueueFacts& facts) {
  switch (task.wait_reason) {
    case WaitReason::untrusted:
      return trust_wait(facts);
    case WaitReason::not_before:
      if (task.not_before) return "waits until " + to_rfc3339(*task.not_before);
      break;
    case WaitReason::image_missing:
      return "waits for the image file, which is missing in storage.firmware_dir (image_missing)";
    case WaitReason::slot:
      if (!task.unasked) return slot_wait(facts);
      return slot_wait(facts) + "; the device requested it itself and is not registered, so operators' tasks go first";
    case WaitReason::device_busy:
      if (facts.holder) return fmt::format("waits for task {}, which is active on the device", facts.holder->str());
      break;
    case WaitReason::uplink:
      if (facts.device)
        return fmt::format("waits for other devices with poor links on the shared uplink {}",
                           facts.device->held_uplink);
      break;
    case WaitReason::behind_own:
      if (facts.ahead) return fmt::format("waits for task {} of the same device", facts.ahead->str());
      break;
    case WaitReason::digests:
      return "waits for the digests of its chunks, which are being computed";
    case WaitReason::poll:
      return "gets a slot when the device polls next, if one is free then";
    case WaitReason::gate:
      return "waits for the gate of its rollout: the device installs the image once it has it";
    case WaitReason::chunk_size:
      if (facts.device && facts.device->max_chunk_bytes)
        return fmt::format("waits: the device accepts chunks of at most {} bytes, of which the image would need more "
                           "than {} (image_too_large)",
                           *facts.device->max_chunk_bytes, kMaxChunks);
      break;
    case WaitReason::none:
    case WaitReason::device_offline:
      break;
  }
  return device_wait(task, facts);
}

/// The device's own text on one line.
std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  return text;
}

std::string with_reason(std::string sentence, const Task& task) {
  if (!task.reason.empty()) sentence += ": " + task.reason;
  if (!task.detail.empty()) sentence += " (the device: " + printable(task.detail) + ")";
  return sentence;
}

std::string repeats(const Task& task) {
  if (task.bytes_sent <= download_allowance(task)) return {};
  return fmt::format("; the device downloaded {} bytes for an image of {} bytes, the same data repeatedly: its "
                     "downloads are limited to {} bytes/s",
                     task.bytes_sent, task.size, kRepeatedDownloadRate);
}

std::string explain_state(const Task& task, const QueueFacts& facts) {
  switch (task.state) {
    case TaskState::queued:
      return explain_queued(task, facts);
    case TaskState::offered:
      return "offered; waits for the device to start";
    case TaskState::downloading:
      return fmt::format("downloading, attempt {} of {}", task.attempt, task.max_attempts);
    case TaskState::retry_wait:
      return with_reason(fmt::format("waits before attempt {} of {}", task.attempt, task.max_attempts), task);
    case TaskState::installing:
      if (task.rollout != 0 && facts.device && same_version(facts.device->current_version, task.version))
        return fmt::format("the device runs {}; its rollout waits until it ran that for the soak time", task.version);
      return fmt::format("the image is verified; waits{} for the device to report that it runs {}",
                         task.confirm_by ? " until " + to_rfc3339(*task.confirm_by) : "", task.version);
    case TaskState::staged:
      return task.postponed_until
                 ? fmt::format("the device has the verified image and postponed the installation until {}",
                               to_rfc3339(*task.postponed_until))
                 : "the device has the verified image; waits for its rollout to permit the installation";
    case TaskState::succeeded:
      if (task.confirmed && facts.device && !same_version(facts.device->current_version, task.version))
        return fmt::format("the device ran {}; it runs {} now", task.version, facts.device->current_version);
      return task.confirmed
                 ? fmt::format("the device runs {}", task.version)
                 : fmt::format("the device has the verified image of {}, but did not report that it runs it",
                                task.version);
    case TaskState::failed:
      return with_reason(fmt::format("failed in attempt {} of {}", task.attempt, task.max_attempts), task);
    case TaskState::cancelled:
      if (task.reason == "cancelled") return "cancelled by an operator";
      return with_reason("cancelled", task);
    case TaskState::expired:
      return "expired: it was not done by expires_at";
  }
  return {};
}

}  // namespace

std::string explain(const Task& task, const QueueFacts& facts) {
  const auto sentence = explain_state(task, facts);
  return is_active(task.state) ? sentence + repeats(task) : sentence;
}

}  // namespace ota::rest
