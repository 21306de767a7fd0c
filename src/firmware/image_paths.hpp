// Names of an image's files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "ota/domain/digest.hpp"

namespace ota::firmware {

enum class FileKind : std::uint8_t {
  image,    ///< `<hex>.img`
  damaged,  ///< `<hex>.damaged`: quarantined
  sums      ///< `<hex>.<chunk_bytes>.sums`: a grid's digests
};

struct FileName {
  Digest image{};
  FileKind kind = FileKind::image;
  std::uint32_t chunk_bytes = 0;  ///< of sums
};

std::string to_string(const FileName& name);
/// Nothing for a name that the store never gives.
std::optional<FileName> parse_file_name(std::string_view name);

inline std::filesystem::path image_path(const std::filesystem::path& dir, const Digest& image) {
  return dir / to_string(FileName{image, FileKind::image});
}
inline std::filesystem::path damaged_path(const std::filesystem::path& dir, const Digest& image) {
  return dir / to_string(FileName{image, FileKind::damaged});
}
inline std::filesystem::path sums_path(const std::filesystem::path& dir, const Digest& image,
                                       std::uint32_t chunk_bytes) {
  return dir / to_string(FileName{image, FileKind::sums, chunk_bytes});
}

}  // namespace ota::firmware
