#include "ota/firmware/signature.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "fixtures.hpp"

namespace ota::firmware {
namespace {

class Signer {
 public:
  explicit Signer(const char* algorithm = "ED25519") : key_(EVP_PKEY_Q_keygen(nullptr, nullptr, algorithm)) {}
  ~Signer() { EVP_PKEY_free(key_); }
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  void write_public(const fs::path& file) const {
    BIO* bio = BIO_new_file(file.c_str(), "w");
    ASSERT_EQ(PEM_write_bio_PUBKEY(bio, key_), 1);
    BIO_free(bio);
  }
  void write_private(const fs::path& file) const {
    BIO* bio = BIO_new_file(file.c_str(), "w");
    ASSERT_EQ(PEM_write_bio_PrivateKey(bio, key_, nullptr, nullptr, 0, nullptr, nullptr), 1);
    BIO_free(bio);
  }
  std::string sign(const std::string& text) const {
    std::vector<std::uint8_t> signature(64);
    std::size_t size = signature.size();
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EXPECT_EQ(EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key_), 1);
    EXPECT_EQ(EVP_DigestSign(context, signature.data(), &size, reinterpret_cast<const unsigned char*>(text.data()),
                             text.size()),
              1);
    EVP_MD_CTX_free(context);
    return base64(signature);
  }

 private:
  EVP_PKEY* key_;
};

Firmware some_firmware() {
  Firmware firmware;
  firmware.version = "1.4.0";
  firmware.hardware = "gw-a";
  firmware.size = 2'048'000;
  firmware.checksum = sha256("image");
  return firmware;
}

class SignatureTest : public testing::Test {
 protected:
  void expect_invalid(const Firmware& firmware, const std::string& word) {
    const auto keys = TrustedKeys::load(dir_.path());
    ASSERT_TRUE(keys) << keys.error().message;
    const auto verified = keys->verify(firmware);
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().code, Errc::signature_invalid);
    EXPECT_NE(verified.error().message.find(word), std::string::npos) << verified.error().message;
  }

  TempDir dir_;
  Signer vendor_;
};

TEST(SignedText, IsTheProtocols) {
  EXPECT_EQ(signed_text(some_firmware()),
            "otad-firmware-v1\nhardware:gw-a\nversion:1.4.0\nsize:2048000\nsha256:" + to_hex(sha256("image")) + "\n");
  auto everywhere = some_firmware();
  everywhere.hardware.clear();
  EXPECT_NE(signed_text(everywhere).find("\nhardware:\n"), std::string::npos);
}

TEST(DowngradeText, IsTheProtocols) {
  const DowngradePermission permission{"gw-17", "2026-12-01T00:00:00Z", {}};
  EXPECT_EQ(downgrade_text(some_firmware(), permission),
            "otad-downgrade-v1\nhardware:gw-a\nversion:1.4.0\nsize:2048000\nsha256:" + to_hex(sha256("image")) +
                "\ndevice:gw-17\nexpires:2026-12-01T00:00:00Z\n");
}

TEST_F(SignatureTest, TakesADowngradePermissionThatATrustedKeySigned) {
  vendor_.write_public(dir_.path() / "vendor.pem");
  Signer().write_public(dir_.path() / "other.pem");
  const auto keys = TrustedKeys::load(dir_.path());
  ASSERT_TRUE(keys);
  const auto firmware = some_firmware();
  DowngradePermission good{"*", "2026-12-01T00:00:00Z", {"vendor", ""}};
  good.signature.value = vendor_.sign(downgrade_text(firmware, good));
  EXPECT_TRUE(keys->verify_downgrade(firmware, good));

  const auto expect_refused = [&](const Firmware& about, const DowngradePermission& permission, const char* why) {
    const auto verified = keys->verify_downgrade(about, permission);
    ASSERT_FALSE(verified) << why;
    EXPECT_EQ(verified.error().code, Errc::signature_invalid) << why;
  };
  auto changed = good;
  changed.device = "gw-17";
  expect_refused(firmware, changed, "for another device");
  changed = good;
  changed.expires = "2027-12-01T00:00:00Z";
  expect_refused(firmware, changed, "until another time");
  changed = good;
  changed.signature.key_id = "other";
  expect_refused(firmware, changed, "by another key");
  changed = good;
  changed.signature.value = vendor_.sign(signed_text(firmware));
  expect_refused(firmware, changed, "the firmware's own signature");
  auto other = firmware;
  other.version = "1.3.0";
  expect_refused(other, good, "another version");
  other = firmware;
  other.checksum[0] ^= 1;
  expect_refused(other, good, "another image");
  for (const auto& [device, expires] : {std::pair{"gw 17", "2026-12-01T00:00:00Z"},
                                        {"", "2026-12-01T00:00:00Z"},
                                        {"gw\nexpires:2099-01-01T00:00:00Z", "2026-12-01T00:00:00Z"},
                                        {"*", "some day"},
                                        {"*", ""}}) {
    DowngradePermission odd{device, expires, {"vendor", ""}};
    odd.signature.value = vendor_.sign(downgrade_text(firmware, odd));
    expect_refused(firmware, odd, "a form that is none");
  }
}

TEST(PermitsDowngrade, OnlyThatDeviceAndUntilThatTime) {
  const DowngradePermission one{"gw-17", "2026-12-01T00:00:00Z", {}};
  const auto end = *parse_rfc3339(one.expires);
  EXPECT_TRUE(permits_downgrade(one, "gw-17", end - Millis{1}));
  EXPECT_FALSE(permits_downgrade(one, "gw-17", end));
  EXPECT_FALSE(permits_downgrade(one, "gw-18", end - Millis{1}));
  EXPECT_FALSE(permits_downgrade(one, "*", end - Millis{1}));
  EXPECT_TRUE(permits_downgrade({"*", one.expires, {}}, "gw-18", end - Millis{1}));
  EXPECT_FALSE(permits_downgrade({"*", "never", {}}, "gw-18", end - Millis{1}));
}

TEST_F(SignatureTest, TakesWhatATrustedKeySigned) {
  vendor_.write_public(dir_.path() / "vendor-2026.pem");
  Signer().write_public(dir_.path() / "other.pem");
  std::ofstream(dir_.path() / "README") << "no key";
  auto firmware = some_firmware();
  firmware.signature = FirmwareSignature{"vendor-2026", vendor_.sign(signed_text(firmware))};
  const auto keys = TrustedKeys::load(dir_.path());
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_EQ(keys->size(), 2u);
  EXPECT_TRUE(keys->verify(firmware));
}

TEST_F(SignatureTest, RefusesEverythingElse) {
  vendor_.write_public(dir_.path() / "vendor.pem");
  Signer().write_public(dir_.path() / "other.pem");
  const auto plain = some_firmware();
  expect_invalid(plain, "not signed");
  auto good = plain;
  good.signature = FirmwareSignature{"vendor", vendor_.sign(signed_text(plain))};

  auto changed = good;
  changed.signature->key_id = "nobody";
  expect_invalid(changed, "nobody");
  changed.signature->key_id = "other";
  expect_invalid(changed, "does not fit");
  changed = good;
  changed.version = "1.4.1";
  expect_invalid(changed, "does not fit");
  changed = good;
  changed.hardware = "gw-b";
  expect_invalid(changed, "does not fit");
  changed = good;
  changed.size += 1;
  expect_invalid(changed, "does not fit");
  changed = good;
  changed.checksum[31] ^= 1;
  expect_invalid(changed, "does not fit");
  for (const char* value : {"", "!", "AAAA"}) {
    changed = good;
    changed.signature->value = value;
    expect_invalid(changed, "64 bytes");
  }
  changed = good;
  auto bytes = *parse_base64(good.signature->value);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto flipped = bytes;
    flipped[i] ^= 4;
    changed.signature->value = base64(flipped);
    expect_invalid(changed, "does not fit");
  }
}

TEST_F(SignatureTest, AMissingFolderHoldsNoKeys) {
  const auto keys = TrustedKeys::load(dir_.path() / "none");
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->size(), 0u);
}

TEST_F(SignatureTest, NamesTheFileThatIsNoKey) {
  const auto expect_refused = [&](const std::string& name) {
    const auto keys = TrustedKeys::load(dir_.path());
    ASSERT_FALSE(keys) << name;
    EXPECT_NE(keys.error().message.find(name), std::string::npos) << keys.error().message;
    fs::remove_all(dir_.path() / name);
  };
  std::ofstream(dir_.path() / "text.pem") << "hello\n";
  expect_refused("text.pem");
  std::ofstream(dir_.path() / "empty.pem").flush();
  expect_refused("empty.pem");
  vendor_.write_private(dir_.path() / "private.pem");
  expect_refused("private.pem");
  Signer("X25519").write_public(dir_.path() / "x25519.pem");
  expect_refused("x25519.pem");
  fs::create_directory(dir_.path() / "folder.pem");
  expect_refused("folder.pem");
  ASSERT_EQ(mkfifo((dir_.path() / "fifo.pem").c_str(), 0600), 0);
  expect_refused("fifo.pem");
  EXPECT_TRUE(TrustedKeys::load(dir_.path()));
}

TEST_F(SignatureTest, LoadsFilesAndFoldersTogether) {
  Signer next, stranger;
  fs::create_directory(dir_.path() / "keys");
  vendor_.write_public(dir_.path() / "keys" / "vendor-2026.pem");
  next.write_public(dir_.path() / "vendor-2027.pem");
  const auto keys = TrustedKeys::load_all({dir_.path() / "keys", dir_.path() / "vendor-2027.pem"});
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_EQ(keys->size(), 2u);
  auto firmware = some_firmware();
  const auto signed_by = [&](const Signer& signer, const std::string& id) {
    firmware.signature = FirmwareSignature{id, signer.sign(signed_text(firmware))};
    return static_cast<bool>(keys->verify(firmware));
  };
  EXPECT_TRUE(signed_by(vendor_, "vendor-2026"));
  EXPECT_TRUE(signed_by(next, "vendor-2027"));
  EXPECT_FALSE(signed_by(next, "vendor-2026")) << "the key that is named decides";
  EXPECT_TRUE(signed_by(vendor_, "as the vendor calls it")) << "a name that none has: any of them";
  EXPECT_TRUE(signed_by(next, ""));
  EXPECT_FALSE(signed_by(stranger, "as the vendor calls it"));
  EXPECT_FALSE(signed_by(stranger, "vendor-2026"));
}

TEST_F(SignatureTest, LoadAllWantsKeysThatCanBeToldApart) {
  const auto expect_refused = [&](const std::vector<fs::path>& paths, const std::string& word) {
    const auto keys = TrustedKeys::load_all(paths);
    ASSERT_FALSE(keys) << word;
    EXPECT_EQ(keys.error().code, Errc::malformed);
    EXPECT_NE(keys.error().message.find(word), std::string::npos) << keys.error().message;
  };
  fs::create_directory(dir_.path() / "keys");
  expect_refused({dir_.path() / "keys"}, "no trusted key");
  expect_refused({dir_.path() / "none.pem"}, "none.pem");
  vendor_.write_public(dir_.path() / "keys" / "vendor.pem");
  vendor_.write_public(dir_.path() / "vendor.pem");
  expect_refused({dir_.path() / "keys", dir_.path() / "vendor.pem"}, "two trusted keys are named vendor");
}

TEST_F(SignatureTest, AFileInPlaceOfTheFolderIsAFault) {
  std::ofstream(dir_.path() / "keys") << "x";
  const auto keys = TrustedKeys::load(dir_.path() / "keys");
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, Errc::server_fault);
}

}  // namespace
}  // namespace ota::firmware
