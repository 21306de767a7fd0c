// A way to fetch chunks: one class a transport.
#pragma once

#include <cstdint>
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
  std::string why;        ///< of everything but ok, in words
  int retry_after_s = 0;  ///< what the server asks for, with `later`
  double rtt_ms = 0;      ///< from the request sent to the first byte
};

/// Blocks while it fetches, with bounds on silence; for one thread at a time. Checks no digests.
class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  virtual std::string_view name() const = 0;  ///< as in protocol.md's `transport`
  virtual Fetched chunk(const Task& task, std::uint32_t index) = 0;
  /// The chunks' digests, 32 bytes each, one after the other.
  virtual Fetched manifest(const Task& task) = 0;
};

}  // namespace ota::agent
