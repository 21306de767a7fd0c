// Chunks over HTTP and HTTPS (protocol.md, Chunks).
#pragma once

#include <atomic>
#include <memory>

#include "agent/chunk_source.hpp"
#include "agent/curl_handle.hpp"

namespace ota::agent {

/// A chunk whose transfer breaks off keeps its bytes, and the next chunk() for it asks for the rest alone (RFC 9110,
/// 14.2). The first of those ahead is asked for on a second connection when the chunk before it has nearly come. Once
/// the line let it wait for long, chunks that follow each other are asked for as one range of the image, a MiB at a
/// time. While `interrupted` is true, a running transfer ends within a second as aborted.
std::unique_ptr<ChunkSource> make_http_source(const TlsFiles& tls, const std::atomic<bool>& interrupted);

}  // namespace ota::agent
