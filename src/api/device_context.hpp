// What the three ways of a device (MQTT, HTTP, downloads) share.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "api/device_gate.hpp"
#include "api/device_refusals.hpp"
#include "ota/api/device_api.hpp"
#include "ota/domain/download_allowance.hpp"

namespace ota::api {

struct DeviceContext {
  DeviceContext(DeviceOptions device_options, const Clock& the_clock, engine::Engine& the_engine,
                firmware::Store& the_store, Outbox& the_outbox, DeviceHooks the_hooks)
      : options(std::move(device_options)),
        clock(the_clock),
        engine(the_engine),
        store(the_store),
        outbox(the_outbox),
        hooks(std::move(the_hooks)),
        refusals(the_clock),
        gate(the_clock) {}

  /// Bytes/s for a task whose image was verified: nobody counts what it fetches again.
  static constexpr std::uint64_t kVerifiedRate = 1 << 20;

  /// Whose allowance the bytes of a task use, over whichever transport.
  http::Pace pace_of(const TaskId& task) const {
    const auto found = engine.board().transfer_class(task.number);
    // One that waits for its confirmation is no active transfer any more.
    if (!found) return {static_cast<std::uint64_t>(task.number), false, kVerifiedRate};
    return {found->device, found->security, found->repeats ? kRepeatedDownloadRate : 0};
  }

  const DeviceOptions options;
  const Clock& clock;
  engine::Engine& engine;
  firmware::Store& store;
  Outbox& outbox;
  const DeviceHooks hooks;
  RefusalLog refusals;
  DeviceGate gate;
  std::atomic<std::uint64_t> messages{0};
  std::atomic<std::uint64_t> bad_messages{0};
  std::atomic<std::uint64_t> dropped{0};
  std::atomic<std::uint64_t> downloads{0};
  std::atomic<std::uint64_t> mqtt_chunks{0};
  std::atomic<std::uint64_t> mqtt_chunk_bytes{0};
  std::atomic<std::uint64_t> mqtt_chunks_lost{0};
};

}  // namespace ota::api
