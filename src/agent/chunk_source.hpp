// A source of chunks: one class for each transport.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/messages.hpp"

namespace ota::agent {

struct Fetched {
  enum class Kind {
    ok,
    later,    ///< a temporary error: retry after a delay
    expired,  ///< the URLs are refused: request new ones from the server
    gone,     ///< the task has ended
    aborted,  ///< interrupted by the agent
  };
  Kind kind = Kind::later;
  std::string bytes;
  std::optional<Digest> digest;  ///< of the chunk, if it was sent with it
  std::string why;               ///< the reason of every kind except ok
  int retry_after_s = 0;         ///< requested by the server, with `later`
  double rtt_ms = 0;             ///< from the request to the first byte; 0: unknown
  bool silent = false;           ///< with `later`: nothing was received for so long that the transport may be dead
  bool moved = false;            ///< with `later`: it was interrupted, but some bytes were received
};

inline bool is_in(const ChunkRanges& ranges, std::uint32_t chunk) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [chunk](const ChunkRange& range) { return range.first <= chunk && chunk <= range.last; });
}

/// Blocks during a download, with timeouts; for one thread at a time. Checks no digests.
class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  virtual Transport transport() const = 0;
  /// `ahead`: the chunks that will be requested next, in order, for a source that requests several at once.
  virtual Fetched chunk(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead) = 0;
  /// The chunks' digests, 32 bytes each, one after the other.
  virtual Fetched manifest(const Assignment& task) = 0;
};

}  // namespace ota::agent
