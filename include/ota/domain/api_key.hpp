#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ota/base/clock.hpp"
#include "ota/domain/digest.hpp"

namespace ota {

/// What an operator's key permits: each role all that the ones before it may. Kept as numbers in the database.
enum class Role : std::uint8_t { viewer, operator_, admin };
/// `viewer`, `operator`, `admin`.
std::string_view to_string(Role role);
std::optional<Role> parse_role(std::string_view text);

struct ApiKey {
  std::string name;
  Role role = Role::viewer;
  Digest secret{};  ///< SHA-256 of the key
  WallTime created{};
  std::optional<WallTime> last_used;
};

}  // namespace ota
