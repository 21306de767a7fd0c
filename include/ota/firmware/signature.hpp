// Signed firmware: Ed25519 by the vendor, trusted keys in a folder (protocol.md, Signatures).
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "ota/base/result.hpp"
#include "ota/domain/firmware.hpp"

namespace ota::firmware {

/// The bytes that a vendor signs.
std::string signed_text(const Firmware& firmware);

/// Public keys by id: `<key_id>.pem` in a folder (SubjectPublicKeyInfo, as `openssl pkey -pubout` writes them).
/// Immutable after load().
class TrustedKeys {
 public:
  /// A missing folder holds no keys; a file that is no Ed25519 public key is an error that names it.
  static Result<TrustedKeys> load(const std::filesystem::path& dir);
  /// Errc::signature_invalid, with the cause in words.
  Result<void> verify(const Firmware& firmware) const;
  std::size_t size() const noexcept { return keys_.size(); }

 private:
  std::map<std::string, std::string> keys_;  // id -> 32 raw bytes
};

}  // namespace ota::firmware
