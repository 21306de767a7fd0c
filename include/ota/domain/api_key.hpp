#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/result.hpp"
#include "ota/domain/digest.hpp"

namespace ota {

/// What an operator's key permits: each role all that the ones before it may. Kept as numbers in the database.
enum class Role : std::uint8_t { viewer, operator_, admin };
/// `viewer`, `operator`, `admin`.
std::string_view to_string(Role role);
std::optional<Role> parse_role(std::string_view text);

struct ApiKey {
  /// The secret before a rotation.
  struct Former {
    Digest secret{};
    WallTime until{};  ///< good until then
  };

  std::string name;
  Role role = Role::viewer;
  Digest secret{};  ///< SHA-256 of the key
  WallTime created{};
  std::optional<WallTime> last_used;
  std::vector<std::string> scope{};   ///< conditions on the devices that it may reach (check_scope()); empty: all
  std::optional<WallTime> expires{};  ///< refused from then on
  std::optional<Former> former{};
};

/// Whether these are conditions that a scope may have: by `id`, `hardware`, `channel` and `tag.KEY`, which no time and
/// no report of a device's health changes. Errc::malformed: the message says which one is wrong.
Result<void> check_scope(const std::vector<std::string>& scope);

}  // namespace ota
