#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ota/domain/digest.hpp"

namespace ota::download {

/// `/download/<hex>/image`, `/download/<hex>/chunks/<index>`, `/download/<hex>/manifest`.
struct DownloadPath {
  enum class Kind : std::uint8_t { image, chunk, manifest };

  std::string_view hex;  ///< 64 lower-case digits, a view into the path
  Digest digest{};
  Kind kind = Kind::image;
  std::uint64_t index = 0;  ///< of the chunk; a number too large for any chunk is the largest
};

inline constexpr std::string_view kDownloadPrefix = "/download/";

/// Nothing for every other path; each resource has exactly one path. Doesn't allocate.
std::optional<DownloadPath> parse_download_path(std::string_view path);

}  // namespace ota::download
