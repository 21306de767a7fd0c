#include "engine/authentication.hpp"

#include <fmt/format.h>

#include "engine/task_service.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::engine {
namespace {

Result<void> prove(const TaskService& service, const Device& device, const Credentials& who) {
  if (who.certified || (who.gateway && !device.secret)) return {};
  if (device.secret && who.token_digest) {
    if (firmware::equal_secrets(*device.secret, *who.token_digest)) return {};
    return fail(Errc::not_authorized, fmt::format("device {} sent a wrong token: an operator issues a new one "
                                                  "(POST /devices/{}/token)",
                                                  device.id, device.id));
  }
  const bool required = service.options().devices.token_required || (device.secret && !who.via_broker());
  if (!required) return {};
  if (!device.secret)
    return fail(
        Errc::not_authorized,
        fmt::format("device {} has no token yet: an operator issues one (POST /devices/{}/token); a new device may "
                    "choose its own if registration is open, 16 to 128 visible characters",
                    device.id, device.id));
  return fail(Errc::not_authorized, fmt::format("device {} must send its token", device.id));
}

/// A device that is new. The token that it comes with is its secret from then on; one that is known without a secret
/// doesn't get one so, since anybody could bring it.
Result<Device> newcomer(TaskService& service, const DeviceId& id, const Credentials& who) {
  if (service.options().devices.registration != "open")
    return fail(Errc::unknown_device,
                fmt::format("device {} is not registered: an operator must register it (PUT /devices/{})", id.str(),
                            id.str()));
  if (who.token_digest && !who.token_fit && !who.gateway)
    return fail(Errc::not_authorized,
                fmt::format("device {} is new, and its token is not acceptable: it must have 16 to 128 visible "
                            "characters of ASCII, no blanks",
                            id.str()));
  auto device = service.registry.make(id.str());
  if (who.token_fit) device.secret = who.token_digest;
  device.claimed = device.secret.has_value();
  return device;
}

/// Ids cost their maker nothing, rows cost the disk: so many are taken in.
Result<void> admit(TaskService& service, const Device& device, const Credentials& who) {
  if (const int wait = who.certified || who.gateway ? 0 : service.newcomers.admit(); wait > 0) {
    auto busy =
        fail(Errc::too_many_new,
             fmt::format("device {} is new, and there are more than {} new devices a minute "
                         "(devices.unproven_per_minute): ask again in {} s, or an operator registers it (PUT "
                         "/devices/{})",
                         device.id, service.options().devices.unproven_per_minute, wait, device.id));
    busy.retry_after_s = wait;
    return busy;
  }
  if (device.claimed) service.newcomers.audit_claim(device.id, who.via_broker() ? "mqtt" : who.remote);
  return {};
}

}  // namespace

Result<Device> authenticate_device(TaskService& service, const DeviceId& id, const Credentials& who) {
  auto device = service.registry.find(id.str());
  const bool is_new = !device;
  if (is_new) {
    if (auto readable = service.registry.check_readable(id.str()); !readable) return readable.error();
    auto made = newcomer(service, id, who);
    if (!made) return made.error();
    device = std::move(*made);
  }
  if (auto proven = prove(service, *device, who); !proven) return proven.error();
  if (is_new)
    if (auto admitted = admit(service, *device, who); !admitted) return admitted.error();
  if (who.certified && !device->certified) {
    device->certified = true;
    if (!is_new) service.registry.vouch_for(device->id);
  }
  device->protocol = who.protocol;
  device->client = who.client;
  if (who.via_broker()) device->quality.mqtt_heard = service.now();
  return *device;
}

Result<Task> task_of(TaskService& service, const DeviceId& id, const TaskId& task_id) {
  auto task = service.lifecycle.load(task_id.number);
  if (!task || task->id != task_id || task->device != id.str())
    return fail(Errc::unknown_task,
                fmt::format("device {} has no task {}: send a request for the one it has", id.str(), task_id.str()));
  return *task;
}

}  // namespace ota::engine
