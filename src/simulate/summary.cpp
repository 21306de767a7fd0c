#include <algorithm>
#include <cmath>

#include "ota/simulate/run.hpp"
#include "simulate/player.hpp"

namespace ota::simulate {
namespace {

double in_hours(Millis time) { return static_cast<double>(time.count()) / 3'600'000.0; }

}  // namespace

Outcome run(const Fleet& fleet, const Plan& plan, std::uint64_t seed) { return Player(fleet, plan, seed).play(); }

Spread spread(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    const auto place = std::ceil(share * static_cast<double>(values.size()));
    return values[static_cast<std::size_t>(std::max(place, 1.0)) - 1];
  };
  return {at(0.5), at(0.95), values.back()};
}

Summary summarize(const Fleet& fleet, const std::vector<Outcome>& outcomes) {
  Summary summary;
  summary.runs = static_cast<std::int64_t>(outcomes.size());
  summary.devices = fleet.devices();
  std::vector<double> harmed, healthy, completed, halted;
  for (const auto& outcome : outcomes) {
    harmed.push_back(static_cast<double>(outcome.harmed));
    healthy.push_back(static_cast<double>(outcome.healthy));
    summary.budget = std::max(summary.budget, outcome.budget);
    summary.rule_broken |= outcome.most_unproven > outcome.budget_at_first;
    if (outcome.state == RolloutState::completed) completed.push_back(in_hours(outcome.ended));
    if (!is_halted(outcome.state)) continue;
    halted.push_back(in_hours(outcome.ended));
    ++summary.reasons[outcome.reason];
  }
  summary.completed = static_cast<std::int64_t>(completed.size());
  summary.halted = static_cast<std::int64_t>(halted.size());
  summary.open = summary.runs - summary.completed - summary.halted;
  summary.harmed = spread(std::move(harmed));
  summary.healthy = spread(std::move(healthy));
  summary.hours_completed = spread(std::move(completed));
  summary.hours_halted = spread(std::move(halted));
  return summary;
}

Summary simulate(const Fleet& fleet, const Plan& plan, std::int64_t runs, std::uint64_t seed) {
  std::vector<Outcome> outcomes;
  outcomes.reserve(static_cast<std::size_t>(runs));
  for (std::int64_t i = 0; i < runs; ++i) outcomes.push_back(run(fleet, plan, seed + static_cast<std::uint64_t>(i)));
  return summarize(fleet, outcomes);
}

}  // namespace ota::simulate
