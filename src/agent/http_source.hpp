// Chunks over HTTP and HTTPS (protocol.md, Chunks).
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "agent/chunk_source.hpp"

namespace ota::agent {

/// One kept connection. `ca_file` may be empty: the system's authorities. While `interrupted` is true, a running
/// transfer ends within a second as aborted.
std::unique_ptr<ChunkSource> make_http_source(std::string ca_file, const std::atomic<bool>& interrupted);

}  // namespace ota::agent
