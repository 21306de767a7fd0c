// A fleet and a rollout to be simulated (docs/simulate.md).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/result.hpp"
#include "ota/domain/rollout.hpp"
#include "ota/domain/rollout_rules.hpp"

namespace ota::simulate {

/// Devices that are alike. Shares are 0 to 1, and hold for each device by chance.
struct Group {
  std::string name;
  std::int64_t devices = 0;
  std::string from_version = "1.0.0";
  std::map<std::string, std::string> tags;
  Millis gap = std::chrono::minutes{1};       ///< mean time between contacts
  Millis download = std::chrono::minutes{5};  ///< mean time from its admission to its verified image
  double dead = 0;                            ///< counts as living and never contacts the server
  double flapping = 0;                        ///< contacts it for an hour or so, then not for hours
  double lying = 0;                           ///< reports the opposite of what happened to it
  double fails_loud = 0;                      ///< the firmware breaks it, and it reports so
  double fails_silent = 0;                    ///< the firmware breaks it, and it is never heard again
};

struct Fleet {
  std::vector<Group> groups;
  std::int64_t devices() const;
};

/// A rollout, and the settings of the server that carries it out. Approvals are given at once.
struct Plan {
  RolloutSpec spec;
  RolloutLimits limits;
  Millis living = std::chrono::days{7};  ///< `fleet.living_days`
};

inline constexpr std::int64_t kMostDevices = 1'000'000;

/// From TOML. `name` is the file's, for messages. Errc::malformed with all that is wrong.
Result<Fleet> read_fleet(std::string_view toml, const std::string& name);
/// The fields of POST /rollouts, completed and checked, and a section `settings`.
Result<Plan> read_plan(std::string_view toml, const std::string& name);

}  // namespace ota::simulate
