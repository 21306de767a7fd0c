// What the engine does with the fleet, scripted: answers every command with what the test put in; keeps what came.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ota/engine/fleet_control.hpp"

namespace ota::rest::test {

class ScriptedFleet final : public engine::FleetControl {
 public:
  void put_channel(engine::ChannelChange wanted, Caller by, engine::Done<engine::PutChannel> done) override {
    came("put_channel", by);
    channel = std::move(wanted);
    if (trouble) return done(*trouble);
    done(Result<engine::PutChannel>(engine::PutChannel{{channel->name, {}, false, {}}, created}));
  }
  void remove_channel(std::string name, Caller by, engine::Done<void> done) override {
    came("remove_channel " + name, by);
    answer(done);
  }
  void remove_target(std::string name, std::string hardware, Caller by, engine::Done<void> done) override {
    came("remove_target " + name + " '" + hardware + "'", by);
    answer(done);
  }
  void block_firmware(std::int64_t id, std::optional<std::string> reason, Caller by,
                      engine::Done<Firmware> done) override {
    came("block_firmware " + std::to_string(id), by);
    if (trouble) return done(*trouble);
    Firmware firmware;
    firmware.id = id;
    firmware.blocked = std::move(reason);
    done(Result<Firmware>(firmware));
  }
  void move_devices(engine::MoveOrder wanted, Caller by, engine::Done<engine::Moved> done) override {
    came("move_devices", by);
    moves.push_back(std::move(wanted));
    if (trouble) return done(*trouble);
    engine::Moved moved;
    moved.moved = static_cast<std::int64_t>(moves.back().devices.size());
    moved.will_update = 1;
    done(Result<engine::Moved>(moved));
  }
  RolloutSpec defaults() const override { return spec; }
  void create_rollout(engine::RolloutOrder wanted, Caller by, engine::Done<engine::RolloutOutcome> done) override {
    came("create_rollout", by);
    order = std::move(wanted);
    if (trouble) return done(*trouble);
    done(Result<engine::RolloutOutcome>(engine::RolloutOutcome{rollout, created}));
  }
  void plan_rollout(engine::RolloutOrder wanted, engine::Done<engine::RolloutPlan> done) override {
    came("plan_rollout", {});
    order = std::move(wanted);
    if (trouble) return done(*trouble);
    done(Result<engine::RolloutPlan>(plan));
  }
  void command(engine::RolloutCommand wanted, Caller by, engine::Done<Rollout> done) override {
    came(std::string(to_string(wanted.event)), by);
    ordered = std::move(wanted);
    answer_rollout(done);
  }
  void rollback(RolloutId id, std::optional<std::string> version, Caller by, engine::Done<Rollout> done) override {
    came("rollback " + id.str() + " " + version.value_or("-"), by);
    answer_rollout(done);
  }
  void change_rollout(engine::RolloutChange wanted, Caller by, engine::Done<Rollout> done) override {
    came("change_rollout", by);
    change = std::move(wanted);
    answer_rollout(done);
  }
  void explain(std::string device, engine::Done<engine::DeviceExplanation> done) override {
    came("explain " + device, {});
    if (trouble) return done(*trouble);
    done(Result<engine::DeviceExplanation>(explanation));
  }

  std::optional<Error> trouble;
  bool created = true;
  Rollout rollout;
  RolloutSpec spec;
  engine::RolloutPlan plan;
  engine::DeviceExplanation explanation;

  std::vector<std::string> calls;
  std::string actor;
  std::optional<engine::ChannelChange> channel;
  std::optional<engine::RolloutOrder> order;
  std::optional<engine::RolloutCommand> ordered;
  std::optional<engine::RolloutChange> change;
  std::vector<engine::MoveOrder> moves;

 private:
  void came(std::string what, const Caller& by) {
    calls.push_back(std::move(what));
    actor = by.name;
  }
  void answer(const engine::Done<void>& done) { trouble ? done(*trouble) : done(Result<void>{}); }
  void answer_rollout(const engine::Done<Rollout>& done) {
    if (trouble) return done(*trouble);
    done(Result<Rollout>(rollout));
  }
};

}  // namespace ota::rest::test
