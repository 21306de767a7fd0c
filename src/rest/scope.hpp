// Which devices a call may reach: the scope of its API key (docs/rest.md, Authentication).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "ota/domain/api_key.hpp"
#include "ota/domain/selection.hpp"
#include "ota/storage/readers.hpp"

namespace ota::rest {

struct Context;
struct Call;

/// Conditions that all hold for the devices that a key may reach. A value.
class Scope {
 public:
  /// All devices.
  Scope() = default;
  /// Errc::malformed: what the database has is no scope.
  static Result<Scope> of(const ApiKey& key);

  bool limited() const noexcept { return !texts_.empty(); }
  /// A device of that id that the registry doesn't have has nothing but its id.
  bool has(const Device& device) const;
  /// The device of that id, as the registry has it now.
  bool has(storage::ReadView& view, const std::string& device) const;
  /// Whether a rollout with these conditions reaches no other devices.
  bool covers(const std::vector<std::string>& where) const;

  const std::vector<std::string>& texts() const noexcept { return texts_; }
  const std::vector<FieldCondition>& conditions() const noexcept { return conditions_; }
  /// Limits a selection to these devices.
  void narrow(std::vector<FieldCondition>& conditions) const;

 private:
  std::vector<std::string> texts_;
  std::vector<FieldCondition> conditions_;
};

/// What a scoped key may do with a route.
enum class Scoped : std::uint8_t {
  refused,  ///< nothing: the route reaches all devices
  open,     ///< it reaches no device, or its handler looks at the scope
  device,   ///< its first argument is a device
  task,     ///< … a task
  rollout   ///< … a rollout, whose conditions must have those of the scope
};

/// Errc::not_authorized.
Error out_of_scope(const Call& call, const std::string& what);
/// Errc::not_authorized, or the error of a database that can't be read. What isn't there is left to the handler.
boost::asio::awaitable<Result<void>> check_reach(Context& context, const Call& call, Scoped scoped);
/// The same for a device that a body names.
boost::asio::awaitable<Result<void>> check_device_reach(Context& context, const Call& call, std::string device);

}  // namespace ota::rest
