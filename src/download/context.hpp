// What downloads over HTTP and chunks over MQTT share.
#pragma once

#include <atomic>
#include <cstdint>

#include "ota/domain/download_allowance.hpp"
#include "ota/download/service.hpp"

namespace ota::download {

struct Context {
  /// Bytes/s for a task whose image was verified: nobody counts what it fetches again.
  static constexpr std::uint64_t kVerifiedRate = 1 << 20;

  /// Whose allowance the bytes of a task use, over whichever transport.
  http::Bandwidth bandwidth_of(const TaskId& task) const {
    const auto found = engine.transfers().active(task.number);
    // One that waits for its confirmation is no active transfer any more.
    if (!found) return {static_cast<std::uint64_t>(task.number), false, kVerifiedRate};
    return {found->device, found->security, found->repeats ? kRepeatedDownloadRate : 0};
  }

  const Options options;
  const Clock& clock;
  engine::Engine& engine;
  firmware::Store& store;
  AuthThrottle& throttle;
  RefusalLog& refusals;
  const Hooks hooks;
  std::atomic<std::uint64_t> downloads{0};
  std::atomic<std::uint64_t> mqtt_chunks{0};
  std::atomic<std::uint64_t> mqtt_chunk_bytes{0};
  std::atomic<std::uint64_t> mqtt_chunks_lost{0};
};

}  // namespace ota::download
