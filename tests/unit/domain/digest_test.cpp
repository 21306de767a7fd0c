#include "ota/domain/digest.hpp"

#include <gtest/gtest.h>

#include <random>

namespace ota {
namespace {

const std::string kHex = "00ff10a5b6c7d8e9fa0b1c2d3e4f5061728394a5b6c7d8e9fa0b1c2d3e4f5099";

TEST(Digest, HexGoesThereAndBack) {
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    Digest digest;
    for (auto& byte : digest) byte = static_cast<std::uint8_t>(random());
    const auto hex = to_hex(digest);
    EXPECT_EQ(hex.size(), 64u);
    EXPECT_EQ(digest_from_hex(hex), digest);
    EXPECT_EQ(parse_checksum(to_checksum(digest)), digest);
  }
  EXPECT_EQ(to_hex(*digest_from_hex(kHex)), kHex);
  EXPECT_EQ(to_checksum(*digest_from_hex(kHex)), "sha256:" + kHex);
}

TEST(Digest, HexOfAnyBytes) {
  EXPECT_EQ(to_hex(std::span<const std::uint8_t>()), "");
  const std::vector<std::uint8_t> bytes{0x00, 0x7f, 0x80, 0xff};
  EXPECT_EQ(to_hex(bytes), "007f80ff");
}

TEST(Digest, EveryOtherCharacterIsRefusedAtEveryPlace) {
  for (std::size_t at = 0; at < kHex.size(); ++at) {
    for (int c = 0; c < 256; ++c) {
      auto text = kHex;
      text[at] = static_cast<char>(c);
      const bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
      EXPECT_EQ(digest_from_hex(text).has_value(), good) << at << ' ' << c;
    }
  }
}

TEST(Digest, ChecksumIsReadInEitherCase) {
  const auto digest = digest_from_hex(kHex);
  EXPECT_EQ(parse_checksum("sha256:" + kHex), digest);
  EXPECT_FALSE(parse_checksum(kHex));
  EXPECT_FALSE(parse_checksum(""));
  EXPECT_FALSE(parse_checksum("sha256:"));
  EXPECT_EQ(parse_checksum("SHA256:" + kHex), digest);
  EXPECT_FALSE(parse_checksum("sha512:" + kHex));
  EXPECT_FALSE(parse_checksum("sha256:" + kHex.substr(1)));
  EXPECT_FALSE(parse_checksum("sha256:" + kHex + "0"));
  EXPECT_FALSE(parse_checksum("sha256:" + kHex + " "));
  EXPECT_FALSE(parse_checksum(" sha256:" + kHex));
  EXPECT_FALSE(parse_checksum("sha256:sha256:" + kHex));
  auto upper = kHex;
  std::transform(upper.begin(), upper.end(), upper.begin(), [](char c) { return c >= 'a' ? c - 'a' + 'A' : c; });
  ASSERT_NE(upper, kHex);
  EXPECT_EQ(parse_checksum("sha256:" + upper), digest);
  EXPECT_FALSE(digest_from_hex(upper)) << "names of files and URLs have one spelling";
  EXPECT_EQ(to_checksum(*parse_checksum("Sha256:" + upper)), "sha256:" + kHex) << "written in lower case";
}

}  // namespace
}  // namespace ota
