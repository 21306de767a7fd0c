#include "ota/firmware/salted_hash.hpp"

#include <cstring>

#include "ota/firmware/hash.hpp"

namespace ota::firmware {
namespace {
constexpr std::size_t kSaltBytes = 16;
}  // namespace

SaltedHash::SaltedHash()
    : salt_([] {
        const auto bytes = random_bytes(kSaltBytes);
        return std::string(bytes.begin(), bytes.end());
      }()) {}

std::uint64_t SaltedHash::operator()(std::string_view name) const {
  std::string salted;
  salted.reserve(salt_.size() + name.size());
  const auto digest = sha256(salted.append(salt_).append(name));
  std::uint64_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

}  // namespace ota::firmware
