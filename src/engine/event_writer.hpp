// The one place where events are written (docs/events.md): inside the transaction that makes them true.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "ota/base/json_writer.hpp"
#include "ota/domain/event.hpp"
#include "ota/domain/firmware.hpp"
#include "ota/domain/rollout.hpp"
#include "ota/domain/task.hpp"

namespace ota::engine {

class TaskService;

class EventWriter {
 public:
  explicit EventWriter(TaskService& service) : service_(service) {}

  void task_created(const Task& task);
  /// Its state is another one; those that have no event are passed over.
  void task_changed(const Task& task);
  /// Nothing where that transition has no event.
  void rollout_changed(const Rollout& rollout, RolloutEvent event, const std::string& reason, const std::string& actor);
  void rollout(const Rollout& rollout, EventType type, const std::string& reason = {}, const std::string& actor = {});
  void device_registered(const Device& device, std::string_view by);
  void device_lost(const Device& device);
  void device_returned(const Device& device, WallTime last_seen);
  void device_version_changed(const Device& device, const std::string& before);
  void device_moved(const Device& device, const std::string& before);
  void device_removed(const std::string& id, const std::string& channel, std::string_view reason);
  void firmware(const Firmware& firmware, EventType type, const std::string& reason = {});
  /// `component`: broker, database, disk, images, webhook.
  void server(EventType type, std::string_view component = {}, const std::string& detail = {});

  /// Whether any was written since this was asked last.
  bool take_written() { return std::exchange(written_, false); }

 private:
  void write(EventType type, std::string subject, std::string channel, std::string device, JsonWriter data);
  const std::string& rollout_id(std::int64_t number);
  std::string channel_of(const std::string& device);

  TaskService& service_;
  bool written_ = false;
  std::pair<std::int64_t, std::string> rollout_id_;  // the last one that was asked
};

}  // namespace ota::engine
