#include <fmt/format.h>

#include <algorithm>

#include "engine/authentication.hpp"
#include "engine/commands.hpp"
#include "engine/confirmation.hpp"
#include "engine/task_service.hpp"
#include "ota/domain/version.hpp"

namespace ota::engine {
namespace {

constexpr Millis kBetweenResumes{10'000};  // a request that is repeated for want of an answer counts once

/// Takes over what the device says that it is, but for its version; the caller stores it. False where it is registered as
/// other hardware: then it may be another unit.
bool learn(TaskService& service, Device& device, const DeviceRequest& message) {
  if (message.transports) device.transports = *message.transports;
  if (message.max_chunk_bytes) device.max_chunk_bytes = message.max_chunk_bytes;
  if (message.max_message_bytes) device.max_message_bytes = message.max_message_bytes;
  if (message.polls.count() > 0 && !device.only_polls()) device.wants_attributes = true;
  device.poll = message.polls;
  if (message.timezone) device.timezone = *message.timezone;
  // Only where it is registered by this message: from then on an operator decides.
  if (message.channel && !device.last_seen && !device.registered && service.channels.find(*message.channel))
    device.channel = *message.channel;
  if (!message.hardware) return device.reported_hardware.empty();
  const bool same = *message.hardware == device.hardware;
  if (!same && device.registered && !device.hardware.empty()) {
    device.reported_hardware = *message.hardware;  // its next message may leave its hardware out
    return false;
  }
  device.reported_hardware.clear();
  device.hardware = *message.hardware;
  return true;
}

/// Where the hardware that the device reports isn't that of one of its tasks, that task ends and the request is refused:
/// Errc::wrong_hardware. So it is where it is registered as other hardware.
std::optional<ErrorAnswer> refuse_unfit(TaskService& service, const Device& device, const DeviceRequest& message) {
  if (!message.hardware) return {};
  const auto ended = end_unfit_tasks(service, device.id, *message.hardware);
  const auto id = ended ? std::optional{ended->id} : std::nullopt;
  if (!device.reported_hardware.empty()) return ErrorAnswer{hardware_differs(device), id};
  if (!ended) return {};
  return refuse(Errc::wrong_hardware,
                fmt::format("device {} is a {}; task {} was for {} and ended", device.id, device.hardware,
                            ended->id.str(), ended->hardware),
                id);
}

/// The part of a report that the settings take for the device's version and hardware.
DeviceRequest request_in(const DdiSettings& settings, const AttributeReport& report) {
  const auto value_of = [&](const std::string& key) -> std::optional<std::string> {
    const auto found = report.values.find(key);
    if (key.empty() || found == report.values.end() || found->second.empty()) return std::nullopt;
    return found->second;
  };
  DeviceRequest request;
  if (report.mode == AttributeReport::Mode::remove) return request;
  request.current_version = value_of(settings.version_attribute);
  request.hardware = value_of(settings.hardware_attribute);
  if (request.hardware && !valid_hardware(*request.hardware)) request.hardware.reset();
  return request;
}

using Attributes = std::map<std::string, std::string>;

Attributes changed_by(const AttributeReport& report, Attributes attributes) {
  if (report.mode == AttributeReport::Mode::replace) return report.values;
  for (const auto& [key, value] : report.values) {
    if (report.mode == AttributeReport::Mode::remove)
      attributes.erase(key);
    else
      attributes[key] = value;
  }
  return attributes;
}

/// A task at normal priority for the version that a device names; nothing where there is no need.
Result<void> make_task(TaskService& service, const Device& device, const std::string& version) {
  auto firmware = choose_firmware(service, version, device.hardware);
  if (firmware && !fits(firmware->hardware, device)) return hardware_differs(device);
  if (!firmware)
    return firmware.error().code == Errc::malformed
               ? fail(Errc::wrong_hardware, fmt::format("version {} exists for several hardware types: device {} "
                                                        "must report its own (hardware)",
                                                        version, device.id))
               : firmware.error();
  // What it asks for once more after it got it is no order of an operator: what the registry believes is enough here.
  if (same_version(device.current_version, version)) return {};
  if (auto fits = check_upgrade(device, version); !fits) return fits.error();
  const auto grid = fit_grid(firmware->size, kDefaultChunkBytes, device.max_chunk_bytes);
  if (!grid) return image_too_large(device, version, firmware->size);
  auto task = task_for(device, *firmware, *grid);
  task.confirm = service.default_confirm();
  task.unasked = !device.proven();
  if (task.unasked) service.newcomers.on_request(device.id);
  service.lifecycle.insert(task, "device");
  return {};
}

/// What the device is told when none of its tasks is active.
Answer waiting_or_up_to_date(TaskService& service, const Device& device) {
  const auto queued = service.rows.unit.queued_of(device.id, kMaxQueuedOfDevice);
  if (queued.empty())
    return UpToDateAnswer{device.current_version.empty() ? std::nullopt : std::optional{device.current_version}};
  const auto ready = service.rows.unit.queue().ready_of(device.id);
  auto next = std::find_if(queued.begin(), queued.end(), [&](const Task& t) { return t.id.number == ready; });
  if (next == queued.end())
    next = std::find_if(queued.begin(), queued.end(),
                        [](const Task& t) { return t.wait_reason != WaitReason::chunk_size; });
  if (next != queued.end()) return service.replies.queued(*next);
  const auto& first = queued.front();
  return ErrorAnswer{image_too_large(device, first.version, first.size), first.id};
}

/// The offer of a task that the device has already, in chunks that it can take now.
Answer offer_again(TaskService& service, Task& task, const Device& device) {
  const auto follows = service.attempts.follow_layout(task, device);
  if (!follows) return ErrorAnswer{follows.error(), task.id};
  return *follows ? Answer{service.replies.offer(task)} : Answer{service.replies.queued(task)};
}

}  // namespace

std::optional<Answer> on_message(TaskService& service, const DeviceId& id, const Credentials& who,
                                 const DeviceRequest& message) {
  auto device = authenticate_device(service, id, who);
  if (!device) return ErrorAnswer{device.error(), {}};
  const bool itself = learn(service, *device, message);
  service.registry.mark_seen(*device);
  auto active = service.lifecycle.load_active(id.str());
  if (message.current_version && itself) version_reported(service, *device, active, *message.current_version);
  if (const auto refused = refuse_unfit(service, *device, message)) return *refused;
  service.admission.on_contact(id.str());
  active = service.lifecycle.load_active(id.str());
  if (active) {
    if (active->state == TaskState::installing) return service.replies.success(*active);
    const bool came_back = !device->only_polls() && active->state == TaskState::downloading && active->chunks_have > 0;
    if (came_back && service.now() - device->quality.trouble_at >= kBetweenResumes)
      service.transports.note_trouble(id.str(), LinkTrouble::resume);
    service.lifecycle.record_activity(*active);
    service.scheduler.schedule(id.str());  // a security task of its own may come first
    auto still = service.lifecycle.load_active(id.str());
    if (still && still->state == TaskState::installing) return service.replies.success(*still);
    // One that waits at the gate may have lost its image: it verifies it, and is answered by that.
    if (still) return offer_again(service, *still, *device);
    return waiting_or_up_to_date(service, *device);
  }
  if (message.version && !service.rows.unit.open_of(id.str(), *message.version))
    if (auto made = make_task(service, *device, *message.version); !made) return ErrorAnswer{made.error(), {}};

  service.scheduler.schedule(id.str());
  if (const auto granted = service.lifecycle.load_active(id.str())) return service.replies.offer(*granted);
  return waiting_or_up_to_date(service, *device);
}

std::optional<Answer> on_message(TaskService& service, const DeviceId& id, const Credentials& who,
                                 const AttributeReport& report) {
  auto device = authenticate_device(service, id, who);
  if (!device) return ErrorAnswer{device.error(), {}};
  auto attributes = changed_by(report, device->attributes);
  if (attributes.size() > AttributeReport::kMost)
    return refuse(Errc::malformed, fmt::format("device {} would have {} attributes, more than {}: remove some",
                                               id.str(), attributes.size(), AttributeReport::kMost));
  device->attributes = std::move(attributes);
  device->wants_attributes = false;
  service.rows.unit.put(*device);
  auto request = request_in(service.options().ddi, report);
  request.polls = device->poll;
  const bool itself = learn(service, *device, request);
  service.registry.mark_seen(*device);
  auto active = service.lifecycle.load_active(id.str());
  if (request.current_version && itself) version_reported(service, *device, active, *request.current_version);
  if (auto refused = refuse_unfit(service, *device, request)) return refused;
  service.admission.on_contact(id.str());
  return std::nullopt;
}

Result<std::optional<Answer>> on_listen(TaskService& service, const DeviceId& id, const Credentials& who) {
  auto device = authenticate_device(service, id, who);
  if (!device) return device.error();
  service.registry.mark_seen(*device);
  service.admission.on_contact(id.str());
  service.scheduler.schedule(id.str());
  const auto active = service.lifecycle.load_active(id.str());
  if (active && active->state == TaskState::offered) return std::optional<Answer>{service.replies.offer(*active)};
  if (active && active->state == TaskState::retry_wait)
    return std::optional<Answer>{service.replies.retry(*active, active->reason)};
  return std::optional<Answer>{};
}

}  // namespace ota::engine
