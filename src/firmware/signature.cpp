#include "ota/firmware/signature.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <system_error>

#include "ota/base/file.hpp"
#include "ota/domain/ids.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::firmware {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kLargestPem = 64 * 1024;

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

/// The raw bytes of an Ed25519 public key; nothing where the file is anything else.
std::optional<std::string> read_key(const fs::path& file) {
  const auto text = read_file(file, kLargestPem);
  if (!text) return std::nullopt;
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(text->data(), static_cast<int>(text->size())), &BIO_free);
  if (!bio) return std::nullopt;
  const Key key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) return std::nullopt;
  std::array<unsigned char, kKeyBytes> raw;
  std::size_t size = raw.size();
  if (EVP_PKEY_get_raw_public_key(key.get(), raw.data(), &size) != 1 || size != kKeyBytes) return std::nullopt;
  return std::string(raw.begin(), raw.end());
}

/// The lines that all signed texts have in common.
std::string described(const Firmware& firmware) {
  return fmt::format("hardware:{}\nversion:{}\nsize:{}\nsha256:{}\n", firmware.hardware, firmware.version,
                     firmware.size, to_hex(firmware.checksum));
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

std::string signed_text(const Firmware& firmware) { return "otad-firmware-v1\n" + described(firmware); }

std::string downgrade_text(const Firmware& firmware, const DowngradePermission& permission) {
  return fmt::format("otad-downgrade-v1\n{}device:{}\nexpires:{}\n", described(firmware), permission.device,
                     permission.expires);
}

Result<void> TrustedKeys::add(const fs::path& file) {
  auto key = read_key(file);
  if (!key) {
    return fail(Errc::malformed, fmt::format("{} is no readable Ed25519 public key in PEM form; remove it from the "
                                             "trusted keys or replace it by a valid one",
                                             file.string()));
  }
  if (keys_.emplace(file.stem().string(), std::move(*key)).second) return {};
  return fail(Errc::malformed, fmt::format("two trusted keys are named {}: {} is one of them; rename it",
                                           file.stem().string(), file.string()));
}

Result<void> TrustedKeys::add_folder(const fs::path& dir) {
  std::error_code error;
  for (fs::directory_iterator files(dir, error); !error && files != fs::directory_iterator(); files.increment(error)) {
    if (files->path().extension() != ".pem") continue;
    if (auto added = add(files->path()); !added) return added;
  }
  if (!error) return {};
  return fail(Errc::server_fault,
              fmt::format("the folder of trusted keys {} can't be read: {}", dir.string(), error.message()));
}

Result<TrustedKeys> TrustedKeys::load(const fs::path& dir) {
  TrustedKeys keys;
  std::error_code error;
  if (fs::status(dir, error).type() == fs::file_type::not_found) return keys;
  if (auto added = keys.add_folder(dir); !added) return added.error();
  return keys;
}

Result<TrustedKeys> TrustedKeys::load_all(const std::vector<fs::path>& files_and_folders) {
  TrustedKeys keys;
  keys.any_id_ = true;
  for (const auto& path : files_and_folders) {
    std::error_code ignored;
    auto added = fs::is_directory(path, ignored) ? keys.add_folder(path) : keys.add(path);
    if (!added) return added.error();
  }
  if (keys.keys_.empty()) return fail(Errc::malformed, "there is no trusted key: no *.pem in the folders given");
  return keys;
}

Result<void> TrustedKeys::verify(const Firmware& firmware) const {
  if (!firmware.signature) return fail(Errc::signature_invalid, "the firmware is not signed");
  return check(
      *firmware.signature, signed_text(firmware),
      fmt::format("does not fit the image, its version {} and hardware '{}'", firmware.version, firmware.hardware));
}

Result<void> TrustedKeys::verify_downgrade(const Firmware& firmware, const DowngradePermission& permission) const {
  if (permission.device != "*" && !DeviceId::parse(permission.device))
    return fail(Errc::signature_invalid, "the downgrade permission's device is neither a device id nor *");
  if (!parse_rfc3339(permission.expires))
    return fail(Errc::signature_invalid, "the downgrade permission's expires is no RFC 3339 time");
  return check(permission.signature, downgrade_text(firmware, permission),
               fmt::format("does not fit the downgrade permission for {} to version {} until {}", permission.device,
                           firmware.version, permission.expires));
}

Result<void> TrustedKeys::check(const FirmwareSignature& signature, const std::string& text,
                                const std::string& about) const {
  const auto key = keys_.find(signature.key_id);
  if (key == keys_.end() && !any_id_) {
    return fail(Errc::signature_invalid,
                fmt::format("the signature's key {} is not among the trusted ones", signature.key_id));
  }
  const auto bytes = parse_base64(signature.value);
  if (!bytes || bytes->size() != kSignatureBytes) {
    return fail(Errc::signature_invalid, "the signature is not 64 bytes in base64");
  }
  const auto made_by = [&](const auto& trusted) { return verifies(trusted.second, *bytes, text); };
  if (key != keys_.end() ? made_by(*key) : std::any_of(keys_.begin(), keys_.end(), made_by)) return {};
  return fail(Errc::signature_invalid,
              key != keys_.end()
                  ? fmt::format("the signature by key {} {}", key->first, about)
                  : fmt::format("no trusted key is named {}, and the signature {} with any of them",
                                signature.key_id, about));
}

bool permits_downgrade(const DowngradePermission& permission, std::string_view device, WallTime now) {
  const auto expires = parse_rfc3339(permission.expires);
  return expires && now < *expires && (permission.device == "*" || permission.device == device);
}

}  // namespace ota::firmware
