#include "otactl/crypto.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ota/credentials/signing.hpp"
#include "ota/domain/firmware.hpp"
#include "ota/firmware/hash.hpp"
#include "ota/firmware/signature.hpp"
#include "otactl/failure.hpp"

namespace ota::otactl {
namespace {

namespace fs = std::filesystem;

class CryptoTest : public testing::Test {
 protected:
  CryptoTest() {
    std::string name = testing::TempDir() + "otactl-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~CryptoTest() override { fs::remove_all(folder_); }

  fs::path write(const char* name, const std::string& text, mode_t mode) {
    const auto file = folder_ / name;
    std::ofstream(file) << text;
    chmod(file.c_str(), mode);
    return file;
  }

  fs::path folder_;
};

TEST_F(CryptoTest, WhatItSignsTheServerAndDevicesAccept) {
  const auto pair = credentials::new_signing_key();
  const auto secret = write("vendor.key", pair.secret_pem, 0600);
  fs::create_directory(folder_ / "keys");
  write("keys/vendor-2026.pem", pair.public_pem, 0644);
  Firmware firmware;
  firmware.version = "1.4.0";
  firmware.hardware = "gw-a";
  firmware.size = 5;
  firmware.checksum = firmware::sha256("hello");
  firmware.signature = FirmwareSignature{
      "vendor-2026", sign({"gw-a", "1.4.0", 5, to_hex(firmware.checksum)}, secret)};
  const auto keys = firmware::TrustedKeys::load(folder_ / "keys");
  ASSERT_TRUE(keys);
  EXPECT_TRUE(keys->verify(firmware));
  firmware.hardware = "gw-b";
  EXPECT_FALSE(keys->verify(firmware));
}

TEST_F(CryptoTest, RefusesOtherKeysAndOpenOnes) {
  const auto refused = [&](const fs::path& file) {
    try {
      sign({}, file);
    } catch (const Failure& failure) {
      return std::string(failure.what());
    }
    return std::string();
  };
  const auto pair = credentials::new_signing_key();
  EXPECT_NE(refused(write("open.key", pair.secret_pem, 0644)).find("chmod 600"), std::string::npos);
  EXPECT_NE(refused(write("public.pem", pair.public_pem, 0600)).find("no readable Ed25519 private key"),
            std::string::npos);
  EXPECT_NE(refused(folder_ / "none").find("can't be read"), std::string::npos);
}

TEST_F(CryptoTest, DigestsOfFilesAreThoseOfTheServer) {
  const std::string text(3'000'000, 'x');
  const auto file = write("image", text, 0600);
  const int descriptor = open(file.c_str(), O_RDONLY);
  std::uint64_t seen = 0;
  EXPECT_EQ(digest_of(descriptor, text.size(), [&](auto bytes) { seen = bytes; }), to_hex(firmware::sha256(text)));
  EXPECT_EQ(seen, text.size());
  EXPECT_THROW(digest_of(descriptor, text.size() + 1, [](auto) {}), Failure);
  close(descriptor);
}

}  // namespace
}  // namespace ota::otactl
