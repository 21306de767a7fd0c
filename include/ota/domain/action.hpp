// Actions: orders to devices that only poll, and what they report of it (docs/hawkbit.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ota {

/// Of one attempt of one task, unique for ever, from 11 to 2^31 - 1: clients keep it in 32 bits with a sign.
using ActionId = std::int32_t;

/// The first id from `from` on that every client reads; nothing beyond 2^31 - 1. Zephyr's client skips the first digit
/// of an id in a URL and takes what is left for no id if it is 0: 1 to 10, 20, 100, 3000.
std::optional<ActionId> readable_action(std::int64_t from);

/// Kept as numbers in the database.
enum class ActionState : std::uint8_t {
  open,        ///< the device may install it
  cancelling,  ///< the device is ordered to stop, until it says that it did
  refused,     ///< the device was ordered to stop and goes on
  finished,    ///< the device reported its success
  closed       ///< it came to another end
};
constexpr bool is_over(ActionState state) { return state == ActionState::finished || state == ActionState::closed; }

struct Action {
  ActionId id = 0;
  std::int64_t task = 0;  ///< number
  int attempt = 1;
  std::string device;
  ActionState state = ActionState::open;
  int reports = 0;  ///< that the device sent about it
};

/// hawkBit's device interface, feedback: `execution` and `result.finished`.
enum class Execution : std::uint8_t {
  closed,
  proceeding,
  canceled,
  scheduled,
  rejected,
  resumed,
  downloaded,
  download
};
std::string_view to_string(Execution execution);
std::optional<Execution> parse_execution(std::string_view text);
enum class Finished : std::uint8_t { success, failure, none };
std::optional<Finished> parse_finished(std::string_view text);

struct ActionReport {
  static constexpr std::size_t kMaxText = 4096;

  ActionId action = 0;
  Execution execution = Execution::proceeding;
  Finished finished = Finished::none;
  std::string text{};     ///< its messages, a line for each, at most kMaxText bytes; empty: none
  bool of_cancel = false; ///< it answers the order to stop
};

}  // namespace ota
