#include "ota/firmware/hash.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <chrono>
#include <random>
#include <set>
#include <thread>

namespace ota::firmware {
namespace {

std::string text_of(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (auto& c : text) c = static_cast<char>(random());
  return text;
}

Digest reference_hmac(const std::string& key, const std::string& message) {
  Digest digest;
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()),
       message.size(), digest.data(), &size);
  return digest;
}

TEST(Hash, KnownDigests) {
  // FIPS 180-4 examples.
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Hash, PiecesMakeTheSameAsTheWhole) {
  Sha256 running;
  for (unsigned round = 0; round < 50; ++round) {
    const auto text = text_of(round * 37, round);
    std::size_t at = 0;
    for (std::size_t piece = 1; at < text.size(); ++piece) {
      const auto part = std::span(text).subspan(at, std::min(piece, text.size() - at));
      running.update(part);
      at += part.size();
    }
    EXPECT_EQ(running.finish(), sha256(text));
  }
  Sha256 moved = std::move(running);
  moved.update(std::string_view("abc"));
  EXPECT_EQ(moved.finish(), sha256("abc"));
}

TEST(Hash, AllDigestsOfAnImageInOnePass) {
  // RFC 3174 section 7.3 and RFC 1321 appendix A.5.
  ImageHasher hasher;
  hasher.update(std::string_view("a"));
  hasher.update(std::string_view("bc"));
  const auto stored = hasher.finish();
  EXPECT_EQ(stored.checksum, sha256("abc"));
  EXPECT_EQ(stored.size, 3u);
  EXPECT_EQ(to_hex(stored.sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(to_hex(stored.md5), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_FALSE(stored.swupdate);
}

TEST(Hash, AnImageOfSwupdateIsKnownByItsFirstFile) {
  const auto is_swupdate = [](const std::string& bytes, std::size_t piece) {
    ImageHasher hasher;
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      hasher.update(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    return hasher.finish().swupdate;
  };
  const auto header = "070702" + std::string(104, '0');
  for (const std::size_t piece : {1u, 7u, 1000u}) {
    EXPECT_TRUE(is_swupdate(header + "sw-description" + std::string(500, '\0'), piece));
    EXPECT_TRUE(is_swupdate("070701" + header.substr(6) + "sw-description", piece));
    EXPECT_FALSE(is_swupdate(header + "sw-descriptio", piece)) << "cut off";
    EXPECT_FALSE(is_swupdate(header + "another-file-of-it", piece));
    EXPECT_FALSE(is_swupdate("070707" + header.substr(6) + "sw-description", piece)) << "another format";
  }
}

TEST(Hash, HmacAgreesWithOpenSsl) {
  for (std::size_t key = 0; key < 140; ++key) {
    const auto secret = text_of(key, static_cast<unsigned>(key));
    const auto message = text_of(key * 3, static_cast<unsigned>(key) + 1000);
    EXPECT_EQ(hmac_sha256(secret, message), reference_hmac(secret, message)) << key;
  }
}

TEST(Hash, HmacWithKeysThatTakeTurns) {
  const std::string keys[] = {text_of(32, 1), text_of(64, 2), text_of(100, 3), ""};
  for (unsigned round = 0; round < 100; ++round) {
    const auto& key = keys[round * round % 4];
    const auto message = text_of(round, round);
    EXPECT_EQ(hmac_sha256(key, message), reference_hmac(key, message)) << round;
  }
}

TEST(Hash, SipHashOfItsPaper) {
  std::array<std::uint8_t, 16> key{};
  std::string text;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  for (char c = 0; c < 15; ++c) text += c;
  EXPECT_EQ(siphash(key, text), 0xa129ca6149be45e5u);
  EXPECT_EQ(siphash(key, text), 0xa129ca6149be45e5u) << "again, in the same context";
  EXPECT_NE(siphash(key, ""), siphash(key, text));
  key[0] = 1;
  EXPECT_NE(siphash(key, text), 0xa129ca6149be45e5u);
}

TEST(Hash, ThreadsDoNotShareTheirContexts) {
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      const auto text = text_of(100 + t, t);
      const auto expected = sha256(text);
      for (int i = 0; i < 1000; ++i) {
        ASSERT_EQ(sha256(text), expected);
        ASSERT_EQ(hmac_sha256(text, "x"), hmac_sha256(text, "x"));
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(Hash, SecretsAreEqualOrNot) {
  const std::vector<std::uint8_t> a{1, 2, 3};
  EXPECT_TRUE(equal_secrets(a, std::vector<std::uint8_t>{1, 2, 3}));
  EXPECT_FALSE(equal_secrets(a, std::vector<std::uint8_t>{1, 2, 4}));
  EXPECT_FALSE(equal_secrets(a, std::vector<std::uint8_t>{1, 2}));
  EXPECT_TRUE(equal_secrets({}, {}));
}

TEST(Hash, RandomBytesDiffer) {
  std::set<std::vector<std::uint8_t>> seen;
  for (int i = 0; i < 100; ++i) {
    const auto bytes = random_bytes(32);
    EXPECT_EQ(bytes.size(), 32u);
    EXPECT_TRUE(seen.insert(bytes).second);
  }
  EXPECT_TRUE(random_bytes(0).empty());
}

TEST(Base64, KnownTexts) {
  // RFC 4648, section 10.
  const std::vector<std::pair<std::string, std::string>> known{
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : known) {
    const std::vector<std::uint8_t> bytes(plain.begin(), plain.end());
    EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(parse_base64(text), bytes);
  }
  const std::vector<std::uint8_t> high{0xfb, 0xff, 0xfe};
  EXPECT_EQ(base64(high), "+//+");
  EXPECT_EQ(base64url(high), "-__-");
  EXPECT_EQ(base64url(std::vector<std::uint8_t>{'f'}), "Zg");
}

TEST(Base64, GoesThereAndBack) {
  for (std::size_t size = 0; size < 200; ++size) {
    const auto bytes = random_bytes(size);
    const auto text = base64(bytes);
    EXPECT_EQ(parse_base64(text), bytes);
    auto url = base64url(bytes);
    for (auto& c : url) c = c == '-' ? '+' : c == '_' ? '/' : c;
    EXPECT_EQ(url, text.substr(0, text.find('=')));
    EXPECT_EQ(parse_base64url(base64url(bytes)), bytes);
  }
}

TEST(Base64, RefusesWhatIsNot) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "====", "=", "Z===", "Zm9v=", "Zm9v====", "Zh==", "Zm9=", "Zm 9",
                           "Zm9v\n", "-__-", "Zg==Zg==", "=Zg=", "Z=g="}) {
    EXPECT_FALSE(parse_base64(text)) << text;
  }
  EXPECT_FALSE(parse_base64(std::string_view("Zm9v\0\0\0\0", 8)));
  EXPECT_FALSE(parse_base64(" Zm9vZg="));
  for (const char* text : {"Z", "Zg==", "Zh", "+/+/", "Zm9v\n", "Zm 9v", "Zm9v="})
    EXPECT_FALSE(parse_base64url(text)) << text;
}

}  // namespace
}  // namespace ota::firmware
