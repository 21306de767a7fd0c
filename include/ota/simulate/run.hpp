// What a rollout does to a fleet, by the functions by which the engine decides (domain/rollout_rules.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ota/simulate/fleet.hpp"

namespace ota::simulate {

/// Of one run, which ends when the rollout halts, or when it has completed and every device that contacts the server
/// is updated or has failed; after 120 days at the latest.
struct Outcome {
  RolloutState state = RolloutState::running;
  std::string reason;               ///< why it halted
  Millis ended{0};                  ///< from its start until it completed or halted, or until the run ended
  std::int64_t passed = 0;          ///< devices that installed it
  std::int64_t harmed = 0;          ///< those of them that it broke, whatever they report
  std::int64_t healthy = 0;         ///< by the rollout's counters
  std::int64_t budget = 0;          ///< B, at its end
  std::int64_t most_unproven = 0;   ///< most devices between install and proof while none was healthy
  std::int64_t budget_at_first = 0; ///< B, of the first stage
};

/// The same seed gives the same outcome.
Outcome run(const Fleet& fleet, const Plan& plan, std::uint64_t seed);

/// Of one number over all runs.
struct Spread {
  double median = 0;
  double p95 = 0;  ///< 95 of 100 runs are not above
  double worst = 0;
};
Spread spread(std::vector<double> values);

struct Summary {
  std::int64_t runs = 0;
  std::int64_t devices = 0;
  std::int64_t budget = 0;  ///< the largest of all runs
  Spread harmed;            ///< devices
  Spread healthy;           ///< devices
  std::int64_t completed = 0;
  Spread hours_completed;  ///< of the runs that completed
  std::int64_t halted = 0;
  Spread hours_halted;  ///< of the runs that halted
  std::map<std::string, std::int64_t> reasons;
  std::int64_t open = 0;     ///< runs that neither completed nor halted
  bool rule_broken = false;  ///< in one run more than B devices were unproven while none was healthy
};
Summary summarize(const Fleet& fleet, const std::vector<Outcome>& outcomes);

/// `runs` of them, with seeds from `seed` on.
Summary simulate(const Fleet& fleet, const Plan& plan, std::int64_t runs, std::uint64_t seed);

}  // namespace ota::simulate
