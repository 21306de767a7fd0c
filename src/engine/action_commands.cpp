#include "engine/action_commands.hpp"

#include "engine/orders.hpp"

namespace ota::engine {

void ActionCommands::poll(DeviceId device, Credentials who, std::chrono::seconds interval, Done<PollAnswer> done) {
  if (auto idle = loop_.idle_polls().find(device.str(), who)) return done(*idle);
  submit<PollAnswer>(loop_, std::move(done), {device.str()}, [device, who, interval](TaskService& service) {
    return on_poll(service, device, who, interval);
  });
}

void ActionCommands::find(DeviceId device, Credentials who, ActionQuery query, Done<ActionView> done) {
  submit<ActionView>(loop_, std::move(done), {device.str()}, [device, who, query](TaskService& service) {
    return on_find_action(service, device, who, query);
  });
}

void ActionCommands::report(DeviceId device, Credentials who, ActionReport report, Done<void> done) {
  submit<void>(loop_, std::move(done), {device.str()},
               [device, who, report = std::move(report)](TaskService& service) {
                 return on_action_report(service, device, who, report);
               });
}

void ActionCommands::firmware(DeviceId device, Credentials who, std::int64_t id, Done<Firmware> done) {
  submit<Firmware>(loop_, std::move(done), {device.str()}, [device, who, id](TaskService& service) {
    return on_action_firmware(service, device, who, id);
  });
}

void ActionCommands::artifact(DeviceId device, Credentials who, ArtifactQuery query, Done<ArtifactGrant> done) {
  submit<ArtifactGrant>(loop_, std::move(done), {device.str()}, [device, who, query](TaskService& service) {
    return on_artifact(service, device, who, query);
  });
}

void ActionCommands::running(DeviceId device, Credentials who, std::string version, Done<void> done) {
  submit<void>(loop_, std::move(done), {device.str()},
               [device, who, version = std::move(version)](TaskService& service) {
                 return on_running(service, device, who, version);
               });
}

}  // namespace ota::engine
