// A way to fetch chunks: one class a transport.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/messages.hpp"

namespace ota::agent {

struct Fetched {
  enum class Kind {
    ok,
    later,    ///< a fault that may pass: again after a wait
    expired,  ///< the addresses are refused: ask the server for fresh ones
    gone,     ///< the task is over
    aborted,  ///< interrupted from this side
  };
  Kind kind = Kind::later;
  std::string bytes;
  std::optional<Digest> digest;  ///< of the chunk, where it came with it
  std::string why;               ///< of everything but ok, in words
  int retry_after_s = 0;         ///< what the server asks for, with `later`
  double rtt_ms = 0;             ///< from the request sent to the first byte; 0 where it isn't known
  bool silent = false;           ///< with `later`: nothing came for so long that the way may be dead
  bool moved = false;            ///< with `later`: it broke off, but something came
};

inline bool is_in(const ChunkRanges& ranges, std::uint32_t chunk) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [chunk](const ChunkRange& range) { return range.first <= chunk && chunk <= range.last; });
}

/// Blocks while it fetches, with bounds on silence; for one thread at a time. Checks no digests.
class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  virtual Transport transport() const = 0;
  /// `ahead` is what will be asked for next, in that order, for a source that asks for several at once.
  virtual Fetched chunk(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead) = 0;
  /// The chunks' digests, 32 bytes each, one after the other.
  virtual Fetched manifest(const Assignment& task) = 0;
};

}  // namespace ota::agent
