#include "engine/fleet_control.hpp"

#include "engine/fleet_commands.hpp"
#include "engine/orders.hpp"

namespace ota::engine {

void FleetCommands::put_channel(ChannelChange change, Caller caller, Done<PutChannel> done) {
  auto target = change.name;
  order_by<PutChannel>(loop_, std::move(done), caller, "channel.put", std::move(target), {},
                       [change = std::move(change)](TaskService& service) { return on_put_channel(service, change); });
}

void FleetCommands::remove_channel(std::string name, Caller caller, Done<void> done) {
  order_by<void>(loop_, std::move(done), caller, "channel.remove", name, {},
                 [name](TaskService& service) { return on_remove_channel(service, name); });
}

void FleetCommands::remove_target(std::string channel, std::string hardware, Caller caller, Done<void> done) {
  order_by<void>(loop_, std::move(done), caller, "channel.remove_target", channel + " " + hardware, {},
                 [channel, hardware](TaskService& service) { return on_remove_target(service, channel, hardware); });
}

void FleetCommands::block_firmware(std::int64_t id, std::optional<std::string> reason, Caller caller,
                                   Done<Firmware> done) {
  auto action = reason ? "firmware.block" : "firmware.unblock";
  order_by<Firmware>(
      loop_, std::move(done), caller, action, std::to_string(id), {},
      [id, reason = std::move(reason)](TaskService& service) { return on_block_firmware(service, id, reason); });
}

void FleetCommands::move_devices(MoveOrder order, Caller caller, Done<Moved> done) {
  auto work = [order](TaskService& service) { return on_move_devices(service, order); };
  if (order.dry_run) return submit<Moved>(loop_, std::move(done), {}, std::move(work));
  order_by<Moved>(loop_, std::move(done), caller, "device.move",
                  std::to_string(order.devices.size()) + " to " + order.channel, {}, std::move(work));
}

RolloutSpec FleetCommands::defaults() const {
  const auto settings = loop_.options().rollouts;
  RolloutSpec spec;
  for (const auto& text : settings.stages)
    if (const auto share = Share::parse(text)) spec.stages.emplace_back().to = *share;
  spec.max_failures = Share::parse(settings.max_failures).value_or(spec.max_failures);
  spec.soak_s = settings.soak_s;
  spec.stage_delay_s = settings.stage_delay_s;
  return spec;
}

void FleetCommands::create_rollout(RolloutOrder order, Caller caller, Done<RolloutOutcome> done) {
  auto target = order.spec.channel + " " + order.spec.version;
  About about;
  if (!order.idempotency_key.empty()) about.key = rollout_key(order, caller.name);
  order_by<RolloutOutcome>(loop_, std::move(done), caller, "rollout.create", std::move(target), std::move(about),
                           [order = std::move(order), name = caller.name](TaskService& service) {
                             return on_create_rollout(service, order, name);
                           });
}

void FleetCommands::plan_rollout(RolloutOrder order, Done<RolloutPlan> done) {
  submit<RolloutPlan>(loop_, std::move(done), {},
                      [order = std::move(order)](TaskService& service) { return on_plan_rollout(service, order); });
}

void FleetCommands::command(RolloutCommand command, Caller caller, Done<Rollout> done) {
  auto action = "rollout." + std::string(verb(command.event));
  auto target = command.id.str();
  order_by<Rollout>(loop_, std::move(done), caller, std::move(action), std::move(target), {},
                    [command = std::move(command), name = caller.name](TaskService& service) {
                      return on_rollout_command(service, command, name);
                    });
}

void FleetCommands::rollback(RolloutId id, std::optional<std::string> version, Caller caller, Done<Rollout> done) {
  order_by<Rollout>(loop_, std::move(done), caller, "rollout.rollback", id.str(), {},
                    [id, version = std::move(version), name = caller.name](TaskService& service) {
                      return on_rollback(service, id, version, name);
                    });
}

void FleetCommands::change_rollout(RolloutChange change, Caller caller, Done<Rollout> done) {
  auto target = change.id.str();
  order_by<Rollout>(loop_, std::move(done), caller, "rollout.change", std::move(target), {},
                    [change = std::move(change)](TaskService& service) { return on_change_rollout(service, change); });
}

void FleetCommands::explain(std::string device, Done<DeviceExplanation> done) {
  submit<DeviceExplanation>(loop_, std::move(done), {device}, [device](TaskService& service) {
    return Result<DeviceExplanation>{explain_device(service, device)};
  });
}

}  // namespace ota::engine
