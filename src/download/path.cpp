#include "download/path.hpp"

#include <algorithm>
#include <limits>

#include "ota/base/text.hpp"

namespace ota::download {
namespace {

std::optional<std::uint64_t> parse_index(std::string_view text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return parse_decimal<std::uint64_t>(text).value_or(std::numeric_limits<std::uint64_t>::max());
}

}  // namespace

std::optional<DownloadPath> parse_download_path(std::string_view path) {
  constexpr std::size_t kHex = 64;
  constexpr std::string_view kChunks = "chunks/";
  if (!path.starts_with(kDownloadPrefix)) return std::nullopt;
  path.remove_prefix(kDownloadPrefix.size());
  if (path.size() <= kHex || path[kHex] != '/') return std::nullopt;
  DownloadPath found;
  found.hex = path.substr(0, kHex);
  const auto digest = digest_from_hex(found.hex);
  if (!digest) return std::nullopt;
  found.digest = *digest;
  path.remove_prefix(kHex + 1);
  if (path == "image") return found;
  if (path == "manifest") {
    found.kind = DownloadPath::Kind::manifest;
    return found;
  }
  if (!path.starts_with(kChunks)) return std::nullopt;
  const auto index = parse_index(path.substr(kChunks.size()));
  if (!index) return std::nullopt;
  found.kind = DownloadPath::Kind::chunk;
  found.index = *index;
  return found;
}

}  // namespace ota::download
