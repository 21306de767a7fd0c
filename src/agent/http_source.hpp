// Chunks over HTTP and HTTPS (docs/device-protocol.md, Chunks).
#pragma once

#include <atomic>
#include <memory>

#include "agent/chunk_source.hpp"
#include "ota/curl/handle.hpp"

namespace ota::agent {

/// The bytes of an interrupted chunk are kept, and the next chunk() for it requests only the rest (RFC 9110, 14.2). The
/// first chunk of `ahead` is requested on a second connection when the current one is nearly complete. After a stall,
/// consecutive chunks are requested as one range of the image, up to 1 MiB. When `interrupted` becomes true, a running
/// transfer ends within a second as aborted.
std::unique_ptr<ChunkSource> make_http_source(const curl::TlsFiles& tls, const std::atomic<bool>& interrupted);

}  // namespace ota::agent
