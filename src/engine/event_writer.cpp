#include "engine/event_writer.hpp"

#include <optional>

#include "engine/task_service.hpp"

namespace ota::engine {
namespace {

constexpr std::size_t kUsualBytes = 192;

std::optional<EventType> type_of(TaskState state) {
  switch (state) {
    case TaskState::offered:
      return EventType::task_offered;
    case TaskState::downloading:
      return EventType::task_downloading;
    case TaskState::staged:
      return EventType::task_staged;
    case TaskState::installing:
      return EventType::task_installing;
    case TaskState::succeeded:
      return EventType::task_succeeded;
    case TaskState::failed:
      return EventType::task_failed;
    case TaskState::cancelled:
      return EventType::task_cancelled;
    case TaskState::expired:
      return EventType::task_expired;
    default:
      return {};
  }
}

std::optional<EventType> type_of(RolloutEvent event) {
  switch (event) {
    case RolloutEvent::approve:
    case RolloutEvent::approve_later:
      return EventType::rollout_approved;
    case RolloutEvent::start:
      return EventType::rollout_started;
    case RolloutEvent::open_stage:
      return EventType::rollout_stage_opened;
    case RolloutEvent::pause:
      return EventType::rollout_paused;
    case RolloutEvent::resume:
      return EventType::rollout_resumed;
    case RolloutEvent::brake:
      return EventType::rollout_halted;
    case RolloutEvent::finish:
    case RolloutEvent::complete:
      return EventType::rollout_completed;
    case RolloutEvent::cancel:
    case RolloutEvent::deny:
      return EventType::rollout_cancelled;
    case RolloutEvent::expire:
      return EventType::rollout_expired;
    case RolloutEvent::supersede:
      return EventType::rollout_superseded;
    default:
      return {};
  }
}

void put_text(JsonWriter& data, std::string_view name, const std::string& text) {
  if (!text.empty()) data.put(name, text);
}

JsonWriter counts_json(const BucketCounts& counts) {
  JsonWriter json(kUsualBytes);
  for (const auto bucket : {Bucket::healthy, Bucket::failed, Bucket::overdue, Bucket::undelivered})
    json.put(to_string(bucket), at(counts, bucket));
  return json;
}

}  // namespace

void EventWriter::task_created(const Task& task) {
  JsonWriter data(kUsualBytes);
  data.put("firmware_version", task.version);
  put_text(data, "from_version", task.from_version);
  put_text(data, "hardware", task.hardware);
  data.put("priority", to_string(task.priority));
  if (task.rollout != 0) data.put("rollout_id", rollout_id(task.rollout));
  data.put("created_by", task.created_by);
  write(EventType::task_created, task.id.str(), channel_of(task.device), task.device, std::move(data));
}

void EventWriter::task_changed(const Task& task) {
  const auto type = type_of(task.state);
  if (!type) return;
  const bool ended_badly = is_ended(task.state) && task.state != TaskState::succeeded;
  JsonWriter data(kUsualBytes);
  data.put("firmware_version", task.version);
  put_text(data, "from_version", task.from_version);
  data.put("attempt", task.attempt);
  if (task.rollout != 0) data.put("rollout_id", rollout_id(task.rollout));
  if (ended_badly) {
    put_text(data, "reason", task.reason);
    put_text(data, "detail", task.detail);
  }
  if (task.state == TaskState::succeeded) data.put("confirmed", task.confirmed);
  write(*type, task.id.str(), channel_of(task.device), task.device, std::move(data));
}

void EventWriter::rollout_changed(const Rollout& of, RolloutEvent event, const std::string& reason,
                                  const std::string& actor) {
  if (const auto type = type_of(event)) rollout(of, *type, reason, actor);
}

void EventWriter::rollout(const Rollout& of, EventType type, const std::string& reason, const std::string& actor) {
  JsonWriter data;
  data.put("firmware_version", of.spec.version);
  put_text(data, "hardware", of.hardware);
  data.put("state", to_string(of.state));
  if (of.stage >= 0) data.put("stage", of.stage + 1);
  data.put("stages", of.spec.stages.size());
  if (of.stage >= 0) {
    data.put("devices", of.total);
    data.put("failure_budget", of.budget);
    data.put_raw("counts", counts_json(service_.rollouts.counts(of.id.number).all()).take());
  }
  put_text(data, "reason", reason);
  data.put("by", actor.empty() ? "engine" : actor);
  write(type, of.id.str(), of.spec.channel, {}, std::move(data));
}

void EventWriter::device_registered(const Device& device, std::string_view by) {
  JsonWriter data(kUsualBytes);
  put_text(data, "hardware", device.hardware);
  data.put("by", by);
  write(EventType::device_registered, device.id, device.channel, device.id, std::move(data));
}

void EventWriter::device_lost(const Device& device) {
  JsonWriter data(kUsualBytes);
  if (device.last_seen) data.put("last_seen", to_rfc3339(*device.last_seen));
  put_text(data, "version", device.current_version);
  write(EventType::device_lost, device.id, device.channel, device.id, std::move(data));
}

void EventWriter::device_returned(const Device& device, WallTime last_seen) {
  JsonWriter data(kUsualBytes);
  data.put("last_seen", to_rfc3339(last_seen));
  put_text(data, "version", device.current_version);
  write(EventType::device_returned, device.id, device.channel, device.id, std::move(data));
}

void EventWriter::device_version_changed(const Device& device, const std::string& before) {
  JsonWriter data(kUsualBytes);
  put_text(data, "from_version", before);
  data.put("version", device.current_version);
  data.put("confirmed", device.version_confirmed);
  write(EventType::device_version_changed, device.id, device.channel, device.id, std::move(data));
}

void EventWriter::device_moved(const Device& device, const std::string& before) {
  JsonWriter data(kUsualBytes);
  data.put("from_channel", before);
  write(EventType::device_moved, device.id, device.channel, device.id, std::move(data));
}

void EventWriter::device_removed(const std::string& id, const std::string& channel, std::string_view reason) {
  JsonWriter data(kUsualBytes);
  data.put("reason", reason);
  write(EventType::device_removed, id, channel, id, std::move(data));
}

void EventWriter::firmware(const Firmware& firmware, EventType type, const std::string& reason) {
  JsonWriter data(kUsualBytes);
  data.put("version", firmware.version);
  put_text(data, "hardware", firmware.hardware);
  data.put("checksum", to_checksum(firmware.checksum));
  put_text(data, "reason", reason);
  write(type, std::to_string(firmware.id), {}, {}, std::move(data));
}

void EventWriter::server(EventType type, std::string_view component, const std::string& detail) {
  JsonWriter data(kUsualBytes);
  data.put("version", OTAD_VERSION);
  if (!component.empty()) data.put("component", component);
  put_text(data, "detail", detail);
  write(type, "server", {}, {}, std::move(data));
}

void EventWriter::write(EventType type, std::string subject, std::string channel, std::string device,
                        JsonWriter data) {
  Event event;
  event.time = service_.wall();
  event.type = type;
  event.subject = std::move(subject);
  event.channel = std::move(channel);
  event.device = std::move(device);
  event.data = data.take();
  service_.rows.event_log.add(event);
  written_ = true;
}

const std::string& EventWriter::rollout_id(std::int64_t number) {
  if (rollout_id_.first != number) {
    const auto rollout = service_.rollouts.read(number);
    rollout_id_ = {number, rollout ? rollout->id.str() : std::string()};
  }
  return rollout_id_.second;
}

std::string EventWriter::channel_of(const std::string& device) {
  const auto row = service_.registry.find(device);
  return row ? row->channel : std::string();
}

}  // namespace ota::engine
