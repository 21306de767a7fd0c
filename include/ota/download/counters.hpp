// Counters of device messages and downloads, for metrics.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace ota::download {

/// Since the start.
struct DeviceCounters {
  std::uint64_t messages = 0;          ///< valid ones
  std::uint64_t bad_messages = 0;      ///< malformed, too large, or on an unknown topic
  std::uint64_t dropped = 0;           ///< refused by a rate limit, or the engine's queue was full
  std::uint64_t unsent = 0;            ///< the queue to the broker was full
  std::uint64_t downloads = 0;         ///< successful download requests
  std::uint64_t mqtt_chunks = 0;       ///< written to the broker
  std::uint64_t mqtt_chunk_bytes = 0;  ///< of those
  std::uint64_t mqtt_chunks_lost = 0;  ///< accepted and not written
};

/// Of hawkBit's interface, since the start.
struct DdiCounters {
  std::uint64_t polls = 0;
  std::uint64_t reports = 0;                     ///< feedback that was taken
  std::map<std::string, std::uint64_t> refused;  ///< calls, by the `code` of the reason
};

}  // namespace ota::download
