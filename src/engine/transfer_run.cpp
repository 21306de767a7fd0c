#include "engine/transfer_run.hpp"

#include <algorithm>

namespace ota::engine {
namespace {
constexpr std::uint32_t kBrokenInARow = 3;
}

Recommend recommend(const TransferRun& run, const LinkRecord& record, Millis now, Millis part) {
  const bool idle = now - std::max(run.moved, run.told) >= part;
  if (record.mqtt_first_until > Millis{0}) {
    const bool over = now >= record.mqtt_first_until;
    return over || idle ? Recommend::http_first : Recommend::as_before;
  }
  // Heard since HTTP last brought something: the device is there, and MQTT gets through.
  const bool dead = idle && record.mqtt_heard > run.moved;
  const bool cut = run.broken >= kBrokenInARow && now - record.mqtt_heard <= part;
  return dead || cut ? Recommend::mqtt_first : Recommend::as_before;
}

}  // namespace ota::engine
