// The digests of all chunks, for devices whose `metadata` had no room for them (docs/device-protocol.md,
// Chunks).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ota/domain/chunks.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/messages.hpp"
#include "ota/firmware/manifest_provider.hpp"

namespace ota::download {

/// `{"checksum", "size", "chunk_bytes", "chunk_count", "chunks": [hex…], "signature"}`; at most 4.4 MB.
std::string manifest_json(const Digest& image, const ChunkGrid& grid, const firmware::Manifest& manifest,
                          const std::optional<FirmwareSignature>& signature);

/// The digests one after the other, 32 bytes each.
std::string manifest_octets(const firmware::Manifest& manifest);

/// Whether `Accept` (RFC 9110, 12.5.1) puts `application/octet-stream` above JSON; by itself JSON comes first.
bool prefers_octets(std::string_view accept);

}  // namespace ota::download
