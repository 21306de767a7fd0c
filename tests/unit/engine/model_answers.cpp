// Answers beside the state that they speak of, and what operators may ask for.
#include <algorithm>

#include "unit/engine/model.hpp"

namespace ota::engine::model {

using State = TaskState;
using enum TaskEvent;
namespace {
constexpr std::uint32_t kLeastSaid = 131'072;  // what histories' devices say as max_chunk_bytes
}

void Model::answered(const std::string& device, const std::optional<Answer>& answer) {
  if (asked_ && expected_.types.empty()) expect_request(device);
  const std::string type = answer ? std::string(type_of(*answer)) : "none";
  if (!expected_.types.empty() && !expected_.types.contains(type)) {
    std::string wanted;
    for (const auto& each : expected_.types) wanted += " " + each;
    fault(device + " was answered " + type + ", expected:" + wanted);
  }
  if (!answer) return;
  if (const auto* error = std::get_if<ErrorAnswer>(&*answer)) {
    if (!expected_.errors.contains(error->error.code)) fault(device + " was refused: " + error->error.message);
    return;
  }
  agree(device, *answer);
  const auto* again = std::get_if<RetryAnswer>(&*answer);
  const auto* failed = std::get_if<FailedAnswer>(&*answer);
  if (again && !expected_.reason.empty() && again->reason != expected_.reason)
    fault(device + " was told to retry for " + again->reason + ", not " + expected_.reason);
  if (failed && !expected_.reason.empty() && failed->reason != expected_.reason)
    fault(device + " failed for " + failed->reason + ", not " + expected_.reason);
  if (again && expected_.task && again->offer.task.number != *expected_.task) fault(device + ": another task's retry");
}

void Model::expect_request(const std::string& device) {
  const auto* active = active_of(device);
  if (active && holds_slot(active->state)) {
    expected_.types = {"metadata"};
    const bool just_now = granted_.contains(active->facts.id.number);
    // Every device may have said that it takes smaller chunks.
    const bool finer = active->facts.chunk_bytes > kLeastSaid;
    if (slow_digests && (just_now || finer)) expected_.types.insert("queued");
    if (just_now && !request_refusals_.empty()) expected_.types.insert({"error", "up_to_date"});
    expected_.errors = request_refusals_;
    return;
  }
  if (active) {
    expected_.types = {"success"};
    return;
  }
  const auto open = open_tasks();
  const bool waits = std::any_of(open.begin(), open.end(), [&](auto* task) { return task->facts.device == device; });
  expected_.types = {waits ? "queued" : "up_to_date"};
  if (request_refusals_.empty()) return;
  // A version that can't be is refused by name; where something else waits, the documents leave open which is said.
  if (!waits) expected_.types.clear();
  expected_.types.insert(request_refusals_ == std::set{Errc::already_installed} ? "up_to_date" : "error");
  if (request_refusals_.contains(Errc::already_installed)) expected_.types.insert("up_to_date");
  expected_.errors = request_refusals_;
}

void Model::agree(const std::string& device, const Answer& answer) {
  if (const auto* offer = std::get_if<Offer>(&answer)) {
    told_.insert(offer->task.number);
    agree_offer(device, *offer);
  } else if (const auto* again = std::get_if<RetryAnswer>(&answer)) {
    agree_retry(device, *again);
  } else if (const auto* success = std::get_if<SuccessAnswer>(&answer)) {
    const auto* task = find(success->task.number);
    const bool right = task && (task->state == State::succeeded || task->state == State::installing) &&
                       task->facts.device == device && success->version == task->facts.version;
    if (!right) fault(device + " was told a success that isn't one");
    if (right && success->confirm_by.has_value() != (task->state == State::installing))
      fault(device + ": confirm_by belongs to a success that waits for its confirmation");
  } else if (const auto* failed = std::get_if<FailedAnswer>(&answer)) {
    const auto* task = find(failed->task.number);
    if (!task || task->state != State::failed || task->facts.device != device)
      return fault(device + " was told a failure that isn't one");
    if (failed->reason != task->reason || failed->attempts != task->attempt)
      fault(name_of(*task) + " failed for " + task->reason + "; its device was told " + failed->reason + " after " +
            std::to_string(failed->attempts));
  } else if (const auto* queued = std::get_if<QueuedAnswer>(&answer)) {
    const auto* task = find(queued->task.number);
    if (!task || task->facts.device != device || is_ended(task->state)) return fault(device + ": queued, but what?");
    // Its turn may have come by this very message, or it has larger chunks than its device takes now.
    const bool awaits_finer = slow_digests && asked_ && task->facts.chunk_bytes > kLeastSaid;
    if (task->state != State::queued && !granted_.contains(task->facts.id.number) && !awaits_finer)
      fault(name_of(*task) + " is said to be queued");
    if (queued->position < 1 || queued->retry_after_s < 1) fault(device + " was told a place before the first");
  } else if (const auto* current = std::get_if<UpToDateAnswer>(&answer)) {
    if (current->version.value_or("") != devices[device].current && request_refusals_.empty())
      fault(device + " was told that it runs another version");
  }
}

void Model::agree_retry(const std::string& device, const RetryAnswer& again) {
  agree_offer(device, again.offer);
  if (again.retry_after_s < 0 || again.retry_after_s > options_.tasks.retry_backoff_max_s)
    fault(device + " was told to wait " + std::to_string(again.retry_after_s) + " s");
  auto* task = find(again.offer.task.number);
  if (!task || !spent_.contains(again.offer.task.number)) return;
  task->retry_late = now + std::chrono::seconds(again.retry_after_s);
  task->retry_early = task->retry_late - std::chrono::seconds(1);
}

void Model::agree_offer(const std::string& device, const Offer& offer) {
  const auto* task = find(offer.task.number);
  if (!task) return fault(device + " was offered a task that isn't");
  if (task->facts.device != device || offer.task != task->facts.id || is_ended(task->state))
    return fault(device + " was offered " + name_of(*task));
  if (offer.attempt != task->attempt || offer.max_attempts != options_.tasks.max_attempts)
    fault(name_of(*task) + " was offered as attempt " + std::to_string(offer.attempt));
  if (offer.missing != missing_of(task->have) && !task->open_have)
    fault(name_of(*task) + " was offered with other chunks missing than there are");
  if (offer.checksum != task->facts.checksum || offer.grid != task->facts.grid() ||
      offer.version != task->facts.version || offer.priority != task->facts.priority)
    fault(name_of(*task) + " was offered with other facts");
}

std::set<Errc> Model::refusals(const std::string& device, const std::string& version,
                               const std::optional<std::string>& hardware, bool force, bool by_device) {
  std::set<Errc> all;
  const auto known = devices.find(device);
  const std::string its = known == devices.end() ? "" : known->second.hardware;
  const std::string current = known == devices.end() ? "" : known->second.current;
  std::vector<const Firmware*> same, fits;
  const std::string wanted = its.empty() ? hardware.value_or("") : its;
  for (const auto& each : firmware) {
    if (each.version != version) continue;
    same.push_back(&each);
    if (each.hardware.empty() || each.hardware == wanted || wanted.empty()) fits.push_back(&each);
  }
  if (same.empty())
    all.insert(Errc::no_such_firmware);
  else if (fits.empty())
    all.insert(Errc::wrong_hardware);
  if (wanted.empty() && fits.size() > 1) {
    all.insert({Errc::malformed, Errc::bad_message, Errc::wrong_hardware});
    hardware_open_ = std::any_of(fits.begin(), fits.end(), [](const auto* each) { return each->hardware.empty(); });
  }
  if (hardware && !its.empty() && *hardware != its) all.insert(Errc::wrong_hardware);
  // Its own goes before one that fits every device.
  const auto own = std::find_if(fits.begin(), fits.end(), [&](const auto* each) { return each->hardware == wanted; });
  const auto* chosen = own != fits.end() ? *own : fits.empty() ? nullptr : fits.front();
  const std::string reported = known == devices.end() ? "" : known->second.reported;
  if (chosen && !reported.empty() && !chosen->hardware.empty() && chosen->hardware != reported)
    all.insert(Errc::wrong_hardware);
  if (chosen && chosen->damaged) all.insert({Errc::image_damaged, Errc::no_such_firmware, Errc::server_fault});
  if (!force && rank_of(version) < rank_of(current)) all.insert(Errc::downgrade);
  // Where the device didn't say itself that it runs it, an operator's order is no reinstallation.
  const bool sure = by_device || (known != devices.end() && known->second.confirmed);
  if (!force && sure && rank_of(version) == rank_of(current)) all.insert(Errc::already_installed);
  return all;
}

std::set<Errc> Model::upgrade(const UpgradeOrder& order) {
  auto all = refusals(order.device, order.version, order.hardware, order.force, false);
  if (order.expires_at && (*order.expires_at <= wall || (order.not_before && *order.not_before >= *order.expires_at)))
    all.insert(Errc::malformed);
  if (order.checksum) all.insert(Errc::checksum_differs);  // histories name none but wrong ones
  if (open_of(order.device, order.version)) return all;
  may_create_.insert({order.device, order.version});
  must_create_ = all.empty();
  return all;
}

void Model::adopted(std::int64_t number) {
  if (auto* task = find(number)) task->facts.unasked = false;
}

void Model::ordered(const UpgradeOrder& order, const std::set<Errc>& refusals, const Result<UpgradeOutcome>& result) {
  if (!result) {
    if (!refusals.contains(result.error().code)) fault("upgrade was refused: " + result.error().message);
    return;
  }
  if (!created_ && !open_of(order.device, order.version)) fault("upgrade was answered, but there is no such task");
  if (result.value().created != created_) fault("upgrade was answered as new, or as known, and is not");
  if (created_ && !refusals.empty() && !hardware_open_) {
    fault("upgrade should have been refused:");
    for (const auto code : refusals) faults.back() += " " + std::to_string(static_cast<int>(code));
  }
}

std::set<Errc> Model::retry(std::int64_t number) {
  const auto* task = find(number);
  if (!task || !is_ended(task->state) || task->state == State::succeeded) return {Errc::wrong_state};
  auto all = refusals(task->facts.device, task->facts.version, task->facts.hardware, task->facts.force, false);
  // What it was to do may be over, or its firmware gone and come again as another.
  all.insert({Errc::no_such_firmware, Errc::malformed, Errc::unknown_device});
  if (open_of(task->facts.device, task->facts.version))
    all.insert(Errc::wrong_state);
  else
    may_create_.insert({task->facts.device, task->facts.version});
  return all;
}

void Model::cancel(std::int64_t number) {
  const auto* task = find(number);
  if (task && !is_ended(task->state)) permit(*task, {TaskEvent::cancel}, true);
}

void Model::set_priority(std::int64_t number, Priority priority) {
  auto* task = find(number);
  if (!task || is_ended(task->state)) return;
  task->facts.priority = priority;
  task->facts.unasked = false;
}

void Model::put_device(const std::string& id, const std::string& hardware) {
  auto& mine = devices[id];
  mine.registered = true;
  if (mine.hardware != hardware) mine.reported.clear();
  mine.hardware = hardware;
  // An operator stands behind it now, so behind what it asked for.
  for (auto* task : open_tasks())
    if (task->facts.device == id) task->facts.unasked = false;
  end_unfit(id, hardware);
}

void Model::remove_device(const std::string& device) {
  for (auto* task : open_tasks())
    if (task->facts.device == device) permit(*task, {TaskEvent::cancel}, true);
}

void Model::damage(const Digest& image) {
  for (auto* task : open_tasks())
    if (task->facts.checksum == image && task->state != State::installing) permit(*task, {image_corrupt}, true);
  for (auto& each : firmware)
    if (each.checksum == image) each.damaged = true;
}

}  // namespace ota::engine::model
