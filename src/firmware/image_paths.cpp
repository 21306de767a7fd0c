#include "firmware/image_paths.hpp"

#include <charconv>

namespace ota::firmware {

std::string to_string(const FileName& name) {
  const auto hex = to_hex(name.image);
  switch (name.kind) {
    case FileKind::image:
      return hex + ".img";
    case FileKind::damaged:
      return hex + ".damaged";
    case FileKind::sums:
      break;
  }
  return hex + '.' + std::to_string(name.chunk_bytes) + ".sums";
}

std::optional<FileName> parse_file_name(std::string_view name) {
  const auto image = digest_from_hex(name.substr(0, 64));
  if (!image) return std::nullopt;
  FileName parsed{*image};
  if (name.ends_with(".damaged")) parsed.kind = FileKind::damaged;
  if (name.ends_with(".sums")) {
    parsed.kind = FileKind::sums;
    if (name.size() > 65) std::from_chars(name.data() + 65, name.data() + name.size(), parsed.chunk_bytes);
  }
  if (to_string(parsed) != name) return std::nullopt;
  return parsed;
}

}  // namespace ota::firmware
