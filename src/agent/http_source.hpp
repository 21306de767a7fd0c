// Chunks over HTTP and HTTPS (protocol.md, Chunks).
#pragma once

#include <atomic>
#include <memory>

#include "agent/chunk_source.hpp"
#include "agent/curl_handle.hpp"

namespace ota::agent {

/// One kept connection. The bytes of a chunk whose transfer breaks off are kept, for one chunk at a time, and the next
/// chunk() for it asks for the rest alone (RFC 9110, 14.2). While `interrupted` is true, a running transfer ends within
/// a second as aborted.
std::unique_ptr<ChunkSource> make_http_source(const TlsFiles& tls, const std::atomic<bool>& interrupted);

}  // namespace ota::agent
