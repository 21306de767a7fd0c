#include "engine/speaker.hpp"

#include <fmt/format.h>

#include "ota/firmware/hash.hpp"

namespace ota::engine {
namespace {

Result<void> prove(const Ledger& ledger, const Device& device, const Credentials& who) {
  if (who.certified) return {};
  if (device.secret && who.token_digest) {
    if (firmware::equal_secrets(*device.secret, *who.token_digest)) return {};
    return fail(Errc::not_authorized, fmt::format("device {} came with a wrong token", device.id));
  }
  const bool required = ledger.options().devices.token_required || (device.secret && !who.via_broker);
  if (!required) return {};
  if (!device.secret)
    return fail(
        Errc::not_authorized,
        fmt::format("device {} has no token yet: an operator issues one (POST /devices/{}/token); a device that "
                    "is new, where registration is open, may come with its own, 16 to 128 visible characters",
                    device.id, device.id));
  return fail(Errc::not_authorized, fmt::format("device {} must send its token", device.id));
}

/// A device that is new. The token that it comes with is its secret from then on; one that is known without a secret
/// doesn't get one so, since anybody could bring it.
Device take_in(Ledger& ledger, const DeviceId& id, const Credentials& who) {
  Device device;
  device.id = id.str();
  device.created = ledger.wall();
  if (!who.token_digest || !who.token_fit) return device;
  device.secret = who.token_digest;
  AuditEntry entry;
  entry.caller = Caller("device", who.via_broker ? "mqtt" : "http");
  entry.action = "device.token";
  entry.target = device.id;
  entry.outcome = "done";
  ledger.audit(std::move(entry));
  return device;
}

}  // namespace

Result<Device> speaker(Ledger& ledger, const DeviceId& id, const Credentials& who) {
  auto device = ledger.find_device(id.str());
  if (!device) {
    if (auto readable = ledger.check_readable(id.str()); !readable) return readable.error();
    if (ledger.options().devices.registration != "open")
      return fail(Errc::unknown_device, fmt::format("device {} is not registered", id.str()));
    device = take_in(ledger, id, who);
  }
  if (auto proven = prove(ledger, *device, who); !proven) return proven.error();
  if (who.via_broker) device->quality.mqtt_heard = ledger.now();
  return *device;
}

Result<Task> task_of(Ledger& ledger, const DeviceId& id, const TaskId& task_id) {
  auto task = ledger.load(task_id.number);
  if (!task || task->id != task_id || task->device != id.str())
    return fail(Errc::unknown_task, fmt::format("device {} has no task {}", id.str(), task_id.str()));
  return *task;
}

}  // namespace ota::engine
