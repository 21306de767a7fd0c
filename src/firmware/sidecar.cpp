#include "firmware/sidecar.hpp"

#include <fmt/format.h>

#include <cstring>

#include "firmware/image_paths.hpp"
#include "ota/base/file.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::firmware {
namespace {

constexpr std::string_view kMagic = "otadsums";
constexpr std::uint32_t kFormat = 1;

void append_number(std::string& to, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to += static_cast<char>(value >> (8 * i) & 0xff);
}

void append_digest(std::string& to, const Digest& digest) {
  to.append(reinterpret_cast<const char*>(digest.data()), digest.size());
}

std::string header(const Digest& image, const ChunkGrid& grid) {
  std::string bytes(kMagic);
  append_number(bytes, kFormat, 4);
  append_number(bytes, grid.chunk_bytes, 4);
  append_number(bytes, grid.size, 8);
  append_digest(bytes, image);
  return bytes;
}

std::size_t sidecar_bytes(const ChunkGrid& grid) {
  return kMagic.size() + 4 + 4 + 8 + sizeof(Digest) * (std::size_t{grid.count()} + 2);
}

}  // namespace

std::string encode_sidecar(const Digest& image, const ChunkGrid& grid, const Manifest& manifest) {
  auto bytes = header(image, grid);
  bytes.reserve(sidecar_bytes(grid));
  for (const auto& digest : manifest) append_digest(bytes, digest);
  append_digest(bytes, sha256(bytes));
  return bytes;
}

std::shared_ptr<const Manifest> decode_sidecar(const Digest& image, const ChunkGrid& grid, std::string_view bytes) {
  const auto expected = header(image, grid);
  if (bytes.size() != sidecar_bytes(grid) || !bytes.starts_with(expected)) return nullptr;
  Digest seal;
  std::memcpy(seal.data(), bytes.data() + bytes.size() - seal.size(), seal.size());
  bytes.remove_suffix(seal.size());
  if (sha256(bytes) != seal) return nullptr;
  auto manifest = std::make_shared<Manifest>(grid.count());
  std::memcpy(manifest->data(), bytes.data() + expected.size(), manifest->size() * sizeof(Digest));
  return manifest;
}

Result<std::shared_ptr<const Manifest>> load_sidecar(const std::filesystem::path& dir, const Digest& image,
                                                     const ChunkGrid& grid) {
  const auto path = sums_path(dir, image, grid.chunk_bytes);
  const auto bytes = read_file(path, sidecar_bytes(grid));
  if (!bytes && bytes.error().code != Errc::too_large) return bytes.error();
  if (bytes) {
    if (auto manifest = decode_sidecar(image, grid, *bytes)) return manifest;
  }
  return fail(Errc::image_damaged, fmt::format("{} is corrupted or belongs to another image", path.string()));
}

}  // namespace ota::firmware
