// The chunk digests of a layout in a file beside the image, so that they need not be computed again after a start.
//
// Little-endian: "otadsums", u32 format 1, u32 chunk_bytes, u64 image size, the image's digest, the chunks' digests in
// order, and the SHA-256 of all that, which detects a corrupt or incomplete file.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "ota/base/result.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/firmware/manifest_provider.hpp"

namespace ota::firmware {

std::string encode_sidecar(const Digest& image, const ChunkGrid& grid, const Manifest& manifest);

/// Null where `bytes` are not whole, or speak of another image or grid.
std::shared_ptr<const Manifest> decode_sidecar(const Digest& image, const ChunkGrid& grid, std::string_view bytes);

/// Errc::not_found if there is none, Errc::image_damaged if it is corrupt or of another image, else the disk's error.
Result<std::shared_ptr<const Manifest>> load_sidecar(const std::filesystem::path& dir, const Digest& image,
                                                     const ChunkGrid& grid);

}  // namespace ota::firmware
