// Hashes of names that clients choose.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ota::firmware {

/// Hashes that nobody outside can aim: two names meet only by chance, anew at each start (SipHash). Thread-safe.
class SaltedHash {
 public:
  SaltedHash();
  std::uint64_t operator()(std::string_view name) const;

 private:
  std::array<std::uint8_t, 16> salt_{};
};

}  // namespace ota::firmware
