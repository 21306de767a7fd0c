// Digests and signatures of the files that an operator uploads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace ota::otactl {

/// SHA-256 of an open file's first `size` bytes, as 64 hexadecimal digits. `seen` is called with the bytes so far.
/// Failure if the file can't be read or is shorter.
std::string digest_of(int descriptor, std::uint64_t size, const std::function<void(std::uint64_t)>& seen);

/// What a vendor signs (docs/device-protocol.md, Signatures).
struct SignedFirmware {
  std::string hardware;
  std::string version;
  std::uint64_t size = 0;
  std::string sha256;  ///< hexadecimal
};
/// Base64 of the signature by the key in that PEM file, which only its user may read. Failure for another kind of key.
std::string sign(const SignedFirmware& firmware, const std::filesystem::path& key_file);

}  // namespace ota::otactl
