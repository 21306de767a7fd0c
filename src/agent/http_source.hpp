// Chunks over HTTP and HTTPS (protocol.md, Chunks).
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "agent/chunk_source.hpp"

namespace ota::agent {

/// One kept connection. The bytes of a chunk whose transfer breaks off are kept, for one chunk at a time, and the next
/// chunk() for it asks for the rest alone (RFC 9110, 14.2). `ca_file` may be empty: the system's authorities. While
/// `interrupted` is true, a running transfer ends within a second as aborted.
std::unique_ptr<ChunkSource> make_http_source(std::string ca_file, const std::atomic<bool>& interrupted);

}  // namespace ota::agent
