// What the engine keeps in memory of a task that holds a slot.
#pragma once

#include <cstdint>
#include <optional>

#include "ota/base/clock.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/link.hpp"

namespace ota::engine {

/// Lost in a crash, and the task is the worse for it by one look at most. Times are on the engine's timeline.
struct TransferRun {
  // What was transferred since the last line about it in the log.
  ChunkBitmap had;
  std::uint64_t bytes = 0;
  Millis since{0};
  std::optional<Transport> transport;  ///< of its last chunk

  Millis moved{0};                 ///< when something last came over, be it part of a chunk
  Millis told{0};                  ///< when the device was last told another order of transports
  Millis looked{0};                ///< when that was last thought about
  Millis judged{0};                ///< when its link was last judged
  Millis mqtt_first_until{0};      ///< as in its device's LinkRecord
  std::uint32_t broken = 0;        ///< replies cut since the last chunk
  std::uint32_t lost = 0;          ///< chunks that were lost on the way in this attempt
  double rate = 0;                 ///< bytes/s that its link carries; 0: unknown
  std::uint64_t repeats_told = 0;  ///< bytes sent when the log named them last; 0: not yet
};

/// What the order of transports should become for a task.
enum class Recommend : std::uint8_t { as_before, mqtt_first, http_first };

/// How long MQTT stays first for a device once HTTP failed it.
constexpr Millis kMqttFirst = std::chrono::minutes{10};

/// HTTP gives way where nothing moves for `part` or three replies in a row were cut, while the device is heard over
/// MQTT; it comes back when kMqttFirst is over, or as soon as MQTT brings nothing for `part` either.
Recommend recommend(const TransferRun& run, const LinkRecord& record, Millis now, Millis part);

}  // namespace ota::engine
