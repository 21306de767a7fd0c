// FleetControl over the engine's loop.
#pragma once

#include "engine/engine_loop.hpp"
#include "ota/engine/fleet_control.hpp"

namespace ota::engine {

class FleetCommands final : public FleetControl {
 public:
  explicit FleetCommands(EngineLoop& loop) : loop_(loop) {}

  void put_channel(ChannelChange change, Caller caller, Done<PutChannel> done) override;
  void remove_channel(std::string name, Caller caller, Done<void> done) override;
  void remove_target(std::string channel, std::string hardware, Caller caller, Done<void> done) override;
  void block_firmware(std::int64_t id, std::optional<std::string> reason, Caller caller, Done<Firmware> done) override;
  void move_devices(MoveOrder order, Caller caller, Done<Moved> done) override;
  RolloutSpec defaults() const override;
  void create_rollout(RolloutOrder order, Caller caller, Done<RolloutOutcome> done) override;
  void plan_rollout(RolloutOrder order, Done<RolloutPlan> done) override;
  void command(RolloutCommand command, Caller caller, Done<Rollout> done) override;
  void rollback(RolloutId id, std::optional<std::string> version, Caller caller, Done<Rollout> done) override;
  void change_rollout(RolloutChange change, Caller caller, Done<Rollout> done) override;
  void explain(std::string device, Done<DeviceExplanation> done) override;

 private:
  EngineLoop& loop_;
};

}  // namespace ota::engine
