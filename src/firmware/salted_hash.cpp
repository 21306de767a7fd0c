#include "ota/firmware/salted_hash.hpp"

#include <algorithm>

#include "ota/firmware/hash.hpp"

namespace ota::firmware {

SaltedHash::SaltedHash() {
  const auto bytes = random_bytes(salt_.size());
  std::copy(bytes.begin(), bytes.end(), salt_.begin());
}

std::uint64_t SaltedHash::operator()(std::string_view name) const { return siphash(salt_, name); }

}  // namespace ota::firmware
