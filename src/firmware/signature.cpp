#include "ota/firmware/signature.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <array>
#include <memory>
#include <optional>
#include <system_error>

#include "ota/firmware/hash.hpp"

namespace ota::firmware {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kSignatureBytes = 64;

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

/// The raw bytes of an Ed25519 public key; nothing where the file is anything else.
std::optional<std::string> read_key(const fs::path& file) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_file(file.c_str(), "r"), &BIO_free);
  if (!bio) return std::nullopt;
  const Key key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) return std::nullopt;
  std::array<unsigned char, kKeyBytes> raw;
  std::size_t size = raw.size();
  if (EVP_PKEY_get_raw_public_key(key.get(), raw.data(), &size) != 1 || size != kKeyBytes) return std::nullopt;
  return std::string(raw.begin(), raw.end());
}

bool verifies(const std::string& raw_key, std::span<const std::uint8_t> signature, std::string_view text) {
  const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr,
                                            reinterpret_cast<const unsigned char*>(raw_key.data()), raw_key.size()));
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  return key && context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                          reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
}

}  // namespace

std::string signed_text(const Firmware& firmware) {
  return fmt::format("otad-firmware-v1\nhardware:{}\nversion:{}\nsize:{}\nsha256:{}\n", firmware.hardware,
                     firmware.version, firmware.size, to_hex(firmware.checksum));
}

Result<TrustedKeys> TrustedKeys::load(const fs::path& dir) {
  TrustedKeys keys;
  std::error_code error;
  fs::directory_iterator files(dir, error);
  if (error == std::errc::no_such_file_or_directory) return keys;
  for (; !error && files != fs::directory_iterator(); files.increment(error)) {
    const auto& file = files->path();
    if (file.extension() != ".pem") continue;
    auto key = read_key(file);
    if (!key) {
      return fail(Errc::malformed, fmt::format("{} is no readable Ed25519 public key in PEM form; take it out of the "
                                               "folder of trusted keys or put a right one in its place",
                                               file.string()));
    }
    keys.keys_.emplace(file.stem().string(), std::move(*key));
  }
  if (error) {
    return fail(Errc::server_fault,
                fmt::format("the folder of trusted keys {} can't be read: {}", dir.string(), error.message()));
  }
  return keys;
}

Result<void> TrustedKeys::verify(const Firmware& firmware) const {
  if (!firmware.signature) return fail(Errc::signature_invalid, "the firmware is not signed");
  const auto key = keys_.find(firmware.signature->key_id);
  if (key == keys_.end()) {
    return fail(Errc::signature_invalid,
                fmt::format("the signature's key {} is not among the trusted ones", firmware.signature->key_id));
  }
  const auto signature = parse_base64(firmware.signature->value);
  if (!signature || signature->size() != kSignatureBytes) {
    return fail(Errc::signature_invalid, "the signature is not 64 bytes in base64");
  }
  if (!verifies(key->second, *signature, signed_text(firmware))) {
    return fail(Errc::signature_invalid,
                fmt::format("the signature by key {} does not fit the image, its version {} and hardware '{}'",
                            key->first, firmware.version, firmware.hardware));
  }
  return {};
}

}  // namespace ota::firmware
