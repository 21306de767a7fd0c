#include "firmware/sidecar.hpp"

#include "firmware/chunk_hasher.hpp"
#include "firmware/image_paths.hpp"
#include "fixtures.hpp"

namespace ota::firmware {
namespace {

const Digest kImage = sha256("image");

TEST(Sidecar, GoesThereAndBack) {
  for (const std::uint64_t size : {1, 99, 100, 101, 1000}) {
    const auto manifest = expected_manifest(random_image(size), 100);
    const ChunkGrid grid{size, 100};
    const auto decoded = decode_sidecar(kImage, grid, encode_sidecar(kImage, grid, manifest));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, manifest);
  }
}

TEST(Sidecar, EveryFlippedBitAndEveryCutIsNoticed) {
  const ChunkGrid grid{250, 100};
  const auto bytes = encode_sidecar(kImage, grid, expected_manifest(random_image(250), 100));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto rotten = bytes;
    rotten[bit / 8] = static_cast<char>(rotten[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_sidecar(kImage, grid, rotten)) << bit;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_sidecar(kImage, grid, std::string_view(bytes).substr(0, size))) << size;
  EXPECT_FALSE(decode_sidecar(kImage, grid, bytes + "x"));
}

TEST(Sidecar, ThatOfAnotherImageOrGridIsNoticed) {
  const ChunkGrid grid{250, 100};
  const auto bytes = encode_sidecar(kImage, grid, expected_manifest(random_image(250), 100));
  EXPECT_TRUE(decode_sidecar(kImage, grid, bytes));
  EXPECT_FALSE(decode_sidecar(sha256("other"), grid, bytes));
  EXPECT_FALSE(decode_sidecar(kImage, ChunkGrid{251, 100}, bytes));
  EXPECT_FALSE(decode_sidecar(kImage, ChunkGrid{250, 101}, bytes));
}

TEST(Sidecar, LoadTellsMissingFromRotten) {
  TempDir dir;
  const ChunkGrid grid{250, 100};
  EXPECT_EQ(load_sidecar(dir.path(), kImage, grid).error().code, Errc::not_found);
  std::ofstream(sums_path(dir.path(), kImage, 100)) << "rotten";
  EXPECT_EQ(load_sidecar(dir.path(), kImage, grid).error().code, Errc::image_damaged);
  std::ofstream(sums_path(dir.path(), kImage, 100)) << std::string(10'000, 'x');
  EXPECT_EQ(load_sidecar(dir.path(), kImage, grid).error().code, Errc::image_damaged);
}

TEST(FileNames, AreReadBack) {
  const auto hex = to_hex(kImage);
  EXPECT_EQ(image_path("/d", kImage), "/d/" + hex + ".img");
  EXPECT_EQ(damaged_path("/d", kImage), "/d/" + hex + ".damaged");
  EXPECT_EQ(sums_path("/d", kImage, 512), "/d/" + hex + ".512.sums");
  EXPECT_EQ(parse_file_name(hex + ".img")->kind, FileKind::image);
  EXPECT_EQ(parse_file_name(hex + ".damaged")->kind, FileKind::damaged);
  const auto sums = parse_file_name(hex + ".524288.sums");
  ASSERT_TRUE(sums);
  EXPECT_EQ(sums->kind, FileKind::sums);
  EXPECT_EQ(sums->chunk_bytes, 524288u);
  EXPECT_EQ(sums->image, kImage);
  const std::vector<std::string> foreign{"",
                                         "x",
                                         hex,
                                         hex + ".",
                                         hex + ".im",
                                         hex + ".img2",
                                         hex + "img",
                                         hex + ".sums",
                                         hex + "..sums",
                                         hex + ".05.sums",
                                         hex + ".-5.sums",
                                         hex + ".5x.sums",
                                         hex + ".99999999999.sums",
                                         "x" + hex + ".img",
                                         hex.substr(1) + ".img",
                                         "README"};
  for (const auto& name : foreign) EXPECT_FALSE(parse_file_name(name)) << name;
}

TEST(ChunkHasher, TakesPiecesOfAnySize) {
  for (const std::size_t size : {1, 9, 10, 11, 100, 101}) {
    const auto bytes = random_image(size);
    for (std::size_t piece = 1; piece <= size; ++piece) {
      ChunkHasher hasher(10);
      for (std::size_t at = 0; at < size; at += piece)
        hasher.update(std::span(bytes).subspan(at, std::min(piece, size - at)));
      ASSERT_EQ(hasher.finish(), expected_manifest(bytes, 10)) << size << ' ' << piece;
    }
  }
}

}  // namespace
}  // namespace ota::firmware
