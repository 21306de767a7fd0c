// What each command about the fleet does: channel_commands.cpp, rollout_commands.cpp, rollout_creation.cpp,
// device_explanation.cpp. Errors as FleetControl says.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ota/domain/task.hpp"
#include "ota/engine/fleet_control.hpp"

namespace ota::engine {

class TaskService;

Result<PutChannel> on_put_channel(TaskService& service, const ChannelChange& change);
Result<void> on_remove_channel(TaskService& service, const std::string& name);
Result<void> on_remove_target(TaskService& service, const std::string& channel, const std::string& hardware);
Result<Firmware> on_block_firmware(TaskService& service, std::int64_t id, const std::optional<std::string>& reason);
Result<Moved> on_move_devices(TaskService& service, const MoveOrder& order);
/// The device follows that channel from now on; what its old one brought it and has not passed the gate ends.
void move_device(TaskService& service, Device& device, const std::string& channel);
/// It gets nothing from its channel any more, or again.
void pin_device(TaskService& service, Device& device, bool pinned);
/// Errc::not_found.
Result<void> check_channel(TaskService& service, const std::string& name);

/// Under which the answer to an order with an Idempotency-Key is kept.
inline std::string rollout_key(const RolloutOrder& order, const std::string& actor) {
  return actor + "\nrollout\n" + order.idempotency_key;
}
Result<RolloutOutcome> on_create_rollout(TaskService& service, const RolloutOrder& order, const std::string& actor);
Result<RolloutPlan> on_plan_rollout(TaskService& service, const RolloutOrder& order);
Result<Rollout> on_rollback(TaskService& service, const RolloutId& id, const std::optional<std::string>& version,
                            const std::string& actor);

/// `pause`, `resume`, …: as REST names the commands.
std::string_view verb(RolloutEvent event);
Result<Rollout> find_rollout(TaskService& service, const RolloutId& id);
Result<Rollout> on_rollout_command(TaskService& service, const RolloutCommand& command, const std::string& actor);
Result<Rollout> on_change_rollout(TaskService& service, const RolloutChange& change);

DeviceExplanation explain_device(TaskService& service, const std::string& device);

}  // namespace ota::engine
