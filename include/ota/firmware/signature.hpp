// Signed firmware: Ed25519 by the vendor, trusted keys in a folder (docs/device-protocol.md, Signatures).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/result.hpp"
#include "ota/domain/firmware.hpp"

namespace ota::firmware {

/// The bytes that a vendor signs.
std::string signed_text(const Firmware& firmware);
/// The bytes that a vendor signs to permit a downgrade to `firmware`.
std::string downgrade_text(const Firmware& firmware, const DowngradePermission& permission);

/// Public keys by id: `<key_id>.pem` in a folder (SubjectPublicKeyInfo, as `openssl pkey -pubout` writes them).
/// Immutable after load().
class TrustedKeys {
 public:
  /// A missing folder contains no keys; a file that is not an Ed25519 public key is an error that names it.
  static Result<TrustedKeys> load(const std::filesystem::path& dir);
  /// From such files and folders together. With these keys a signature whose key id names none of them is valid if any
  /// of them verifies it: the vendor's name of its key needn't be known. Errc::malformed if there is no key, or two
  /// have the same name.
  static Result<TrustedKeys> load_all(const std::vector<std::filesystem::path>& files_and_folders);
  /// Errc::signature_invalid, with the cause in words.
  Result<void> verify(const Firmware& firmware) const;
  /// The same for a permission to install `firmware` as a downgrade. Looks at the signature and at the form of device
  /// and time; whether it is for a device, now, is permits_downgrade()'s question.
  Result<void> verify_downgrade(const Firmware& firmware, const DowngradePermission& permission) const;
  std::size_t size() const noexcept { return keys_.size(); }

 private:
  Result<void> add(const std::filesystem::path& file);
  Result<void> add_folder(const std::filesystem::path& dir);
  Result<void> check(const FirmwareSignature& signature, const std::string& text, const std::string& about) const;

  std::map<std::string, std::string> keys_;  // id -> 32 raw bytes
  bool any_id_ = false;                      // an id that none has is tried with each
};

/// Whether the permission is for `device` and has not expired at `now`. Its signature is verify_downgrade()'s question.
bool permits_downgrade(const DowngradePermission& permission, std::string_view device, WallTime now);

}  // namespace ota::firmware
