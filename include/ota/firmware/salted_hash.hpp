// Hashes of names that strangers choose.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ota::firmware {

/// Hashes that nobody outside can aim: two names meet only by chance, anew at each start. Thread-safe.
class SaltedHash {
 public:
  SaltedHash();
  std::uint64_t operator()(std::string_view name) const;

 private:
  const std::string salt_;
};

}  // namespace ota::firmware
