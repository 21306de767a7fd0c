// What polls and reports of devices that only poll mean: from a call to changes of rows and an answer.
#pragma once

#include "engine/engine_loop.hpp"
#include "ota/engine/actions.hpp"

namespace ota::engine {

Result<PollAnswer> on_poll(TaskService& service, const DeviceId& id, const Credentials& who,
                           std::chrono::seconds interval);
Result<ActionView> on_find_action(TaskService& service, const DeviceId& id, const Credentials& who,
                                  const ActionQuery& query);
Result<void> on_action_report(TaskService& service, const DeviceId& id, const Credentials& who,
                              const ActionReport& report);
Result<Firmware> on_action_firmware(TaskService& service, const DeviceId& id, const Credentials& who,
                                    std::int64_t firmware);
Result<ArtifactGrant> on_artifact(TaskService& service, const DeviceId& id, const Credentials& who,
                                  const ArtifactQuery& query);
Result<void> on_running(TaskService& service, const DeviceId& id, const Credentials& who, const std::string& version);

/// Puts them into the engine's queue.
class ActionCommands final : public Actions {
 public:
  explicit ActionCommands(EngineLoop& loop) : loop_(loop) {}

  void poll(DeviceId device, Credentials who, std::chrono::seconds interval, Done<PollAnswer> done) override;
  void find(DeviceId device, Credentials who, ActionQuery query, Done<ActionView> done) override;
  void report(DeviceId device, Credentials who, ActionReport report, Done<void> done) override;
  void firmware(DeviceId device, Credentials who, std::int64_t id, Done<Firmware> done) override;
  void artifact(DeviceId device, Credentials who, ArtifactQuery query, Done<ArtifactGrant> done) override;
  void running(DeviceId device, Credentials who, std::string version, Done<void> done) override;

 private:
  EngineLoop& loop_;
};

}  // namespace ota::engine
