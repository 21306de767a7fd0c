// What operators do with API keys (docs/rest.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/domain/api_key.hpp"
#include "ota/domain/audit.hpp"
#include "ota/domain/digest.hpp"
#include "ota/engine/fleet_control.hpp"

namespace ota::engine {

/// What an operator changes of an API key; what isn't given stays as it is.
struct KeyChange {
  enum class What : std::uint8_t { add, change, rotate } what = What::change;
  std::string name;
  std::optional<Role> role{};
  std::optional<Digest> secret{};  ///< with add and rotate
  Millis grace{0};                 ///< with rotate: how long the secret before it is good
  std::optional<std::vector<std::string>> scope{};  ///< check_scope()
  std::optional<std::optional<WallTime>> expires{};
};

/// Owned by Engine, with its rules: commands go into its one queue, callbacks run on its thread after the commit.
class KeyControl {
 public:
  virtual ~KeyControl() = default;

  /// Adds or changes an operator's key. Errc::in_use: one of that name is there; Errc::not_found.
  virtual void put_key(KeyChange change, Caller caller, Done<ApiKey> done) = 0;
  /// Errc::not_found.
  virtual void remove_key(std::string name, Caller caller, Done<void> done) = 0;
  /// An operator's key was used just now. Call it now and then, not for every request.
  virtual void key_used(std::string name) = 0;
};

}  // namespace ota::engine
