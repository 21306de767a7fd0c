#include "ota/domain/rollout_state.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace ota {
namespace {

using S = RolloutState;
using E = RolloutEvent;

constexpr Cause kWho[] = {Cause::engine, Cause::device, Cause::operator_, Cause::timer};

// Written out a second time, by hand, from docs/fleet.md: the table must say this and nothing else.
using RowKey = std::tuple<std::optional<S>, E, Cause>;
const std::map<RowKey, S> kRows = {
    {{std::nullopt, E::create, Cause::operator_}, S::running},
    {{std::nullopt, E::create_later, Cause::operator_}, S::scheduled},
    {{std::nullopt, E::create_unapproved, Cause::operator_}, S::waiting_start},
    {{S::waiting_start, E::approve, Cause::operator_}, S::running},
    {{S::waiting_start, E::approve_later, Cause::operator_}, S::scheduled},
    {{S::waiting_start, E::deny, Cause::operator_}, S::cancelled},
    {{S::scheduled, E::start, Cause::timer}, S::running},
    {{S::running, E::open_stage, Cause::engine}, S::running},
    {{S::running, E::ask_approval, Cause::engine}, S::waiting_stage},
    {{S::running, E::complete, Cause::engine}, S::completed},
    {{S::running, E::pause, Cause::operator_}, S::paused},
    {{S::paused, E::resume, Cause::operator_}, S::running},
    {{S::waiting_stage, E::approve, Cause::operator_}, S::running},
    {{S::waiting_stage, E::deny, Cause::operator_}, S::cancelled},
    // A brake, wherever devices may be past the gate.
    {{S::running, E::brake, Cause::engine}, S::halted},
    {{S::paused, E::brake, Cause::engine}, S::halted},
    {{S::waiting_stage, E::brake, Cause::engine}, S::halted},
    {{S::completed, E::brake, Cause::engine}, S::halted_target},
    {{S::halted_target, E::resume, Cause::operator_}, S::completed},
    // An operator decides about its stages.
    {{S::running, E::advance, Cause::operator_}, S::running},
    {{S::paused, E::advance, Cause::operator_}, S::paused},
    {{S::waiting_stage, E::advance, Cause::operator_}, S::waiting_stage},
    {{S::running, E::finish, Cause::operator_}, S::completed},
    {{S::paused, E::finish, Cause::operator_}, S::completed},
    {{S::waiting_stage, E::finish, Cause::operator_}, S::completed},
    {{S::running, E::retry, Cause::operator_}, S::running},
    {{S::paused, E::retry, Cause::operator_}, S::paused},
    {{S::waiting_stage, E::retry, Cause::operator_}, S::waiting_stage},
    {{S::halted, E::retry, Cause::operator_}, S::halted},
    {{S::completed, E::retry, Cause::operator_}, S::completed},
    {{S::halted_target, E::retry, Cause::operator_}, S::halted_target},
    // Ends.
    {{S::waiting_start, E::cancel, Cause::operator_}, S::cancelled},
    {{S::scheduled, E::cancel, Cause::operator_}, S::cancelled},
    {{S::running, E::cancel, Cause::operator_}, S::cancelled},
    {{S::waiting_stage, E::cancel, Cause::operator_}, S::cancelled},
    {{S::paused, E::cancel, Cause::operator_}, S::cancelled},
    {{S::halted, E::cancel, Cause::operator_}, S::cancelled},
    {{S::completed, E::cancel, Cause::operator_}, S::cancelled},
    {{S::halted_target, E::cancel, Cause::operator_}, S::cancelled},
    {{S::waiting_start, E::expire, Cause::timer}, S::expired},
    {{S::scheduled, E::expire, Cause::timer}, S::expired},
    {{S::running, E::expire, Cause::timer}, S::expired},
    {{S::waiting_stage, E::expire, Cause::timer}, S::expired},
    {{S::paused, E::expire, Cause::timer}, S::expired},
    {{S::halted, E::expire, Cause::timer}, S::expired},
    {{S::waiting_start, E::supersede, Cause::engine}, S::superseded},
    {{S::scheduled, E::supersede, Cause::engine}, S::superseded},
    {{S::running, E::supersede, Cause::engine}, S::superseded},
    {{S::waiting_stage, E::supersede, Cause::engine}, S::superseded},
    {{S::paused, E::supersede, Cause::engine}, S::superseded},
    {{S::halted, E::supersede, Cause::engine}, S::superseded},
    {{S::completed, E::supersede, Cause::engine}, S::superseded},
    {{S::halted_target, E::supersede, Cause::engine}, S::superseded},
};
// From `halted`, `resume` leads to the state before; to no other.
const std::set<S> kBeforeHalt = {S::running, S::waiting_stage, S::paused};

struct RolloutCell {
  std::optional<S> from;
  E event;
};

std::vector<std::optional<S>> every_rollout_state() {
  std::vector<std::optional<S>> states{std::nullopt};
  for (std::size_t s = 0; s < kRolloutStates; ++s) states.emplace_back(static_cast<S>(s));
  return states;
}

std::vector<RolloutCell> every_rollout_cell() {
  std::vector<RolloutCell> cells;
  for (auto from : every_rollout_state())
    for (std::size_t e = 0; e < kRolloutEvents; ++e) cells.push_back({from, static_cast<E>(e)});
  return cells;
}

class RolloutTable : public ::testing::TestWithParam<RolloutCell> {};

TEST_P(RolloutTable, LeadsWhereTheRulesSayOrRefuses) {
  const auto [from, event] = GetParam();
  for (auto by : kWho)
    for (auto before : every_rollout_state()) {
      if (!before) continue;
      auto expected = std::optional<S>{};
      if (const auto found = kRows.find({from, event, by}); found != kRows.end()) expected = found->second;
      const bool resumes = from == S::halted && event == E::resume && by == Cause::operator_;
      if (resumes && kBeforeHalt.contains(*before)) expected = before;
      EXPECT_EQ(next_state(from, event, by, *before), expected)
          << "by " << to_string(by) << ", before the halt " << to_string(*before);
    }
}

std::string name_of(const ::testing::TestParamInfo<RolloutCell>& info) {
  const auto& cell = info.param;
  const auto from = cell.from ? std::string(to_string(*cell.from)) : "new";
  const auto event = std::string(to_string(cell.event)) + std::to_string(static_cast<int>(cell.event));
  return from + std::to_string(static_cast<int>(cell.from.value_or(S::running))) + "_" + event;
}

INSTANTIATE_TEST_SUITE_P(Every, RolloutTable, ::testing::ValuesIn(every_rollout_cell()), name_of);

TEST(RolloutTableWhole, HasEachRowOnce) {
  std::set<std::tuple<std::optional<S>, E, Cause, S>> seen;
  for (const auto& row : rollout_transitions()) EXPECT_TRUE(seen.emplace(row.from, row.event, row.by, row.to).second);
  EXPECT_EQ(seen.size(), kRows.size() + kBeforeHalt.size());
}

TEST(RolloutTableWhole, NobodyLeavesAnEnd) {
  for (const auto& row : rollout_transitions()) EXPECT_FALSE(row.from && is_ended(*row.from));
}

TEST(RolloutTableWhole, ReachesEveryState) {
  std::set<S> reached;
  for (std::size_t i = 0; i <= kRolloutStates; ++i)
    for (const auto& row : rollout_transitions())
      if (!row.from || reached.contains(*row.from)) reached.insert(row.to);
  EXPECT_EQ(reached.size(), kRolloutStates);
}

TEST(RolloutTableWhole, ABrakeActsExactlyWhereBrakesAreArmed) {
  for (auto state : every_rollout_state()) {
    if (!state) continue;
    EXPECT_EQ(next_state(state, E::brake, Cause::engine).has_value(), has_brakes(*state)) << to_string(*state);
  }
}

TEST(RolloutTableWhole, WhatIsNotEndedCanBeCancelledAndSuperseded) {
  for (auto state : every_rollout_state()) {
    if (!state) continue;
    EXPECT_EQ(next_state(state, E::cancel, Cause::operator_).has_value(), !is_ended(*state)) << to_string(*state);
    EXPECT_EQ(next_state(state, E::supersede, Cause::engine).has_value(), !is_ended(*state)) << to_string(*state);
  }
}

TEST(RolloutStateKinds, AreAsDocumented) {
  const std::set<S> open{S::waiting_start, S::scheduled, S::running, S::waiting_stage, S::paused, S::halted};
  const std::set<S> ended{S::cancelled, S::expired, S::superseded};
  const std::set<S> gate{S::running, S::waiting_stage, S::completed};
  for (auto state : every_rollout_state()) {
    if (!state) continue;
    EXPECT_EQ(is_open(*state), open.contains(*state)) << to_string(*state);
    EXPECT_EQ(is_ended(*state), ended.contains(*state)) << to_string(*state);
    EXPECT_EQ(gate_is_open(*state), gate.contains(*state)) << to_string(*state);
    EXPECT_EQ(admits(*state), *state == S::running) << to_string(*state);
  }
}

TEST(RolloutStateKinds, HaveTheNamesOfRest) {
  EXPECT_THAT(rollout_state_names(),
              ::testing::ElementsAre("waiting_approval", "scheduled", "running", "paused", "halted", "completed",
                                     "cancelled", "expired", "superseded"));
  EXPECT_EQ(to_string(S::waiting_start), to_string(S::waiting_stage));
  std::set<std::string_view> names;
  for (auto state : every_rollout_state())
    if (state) names.insert(to_string(*state));
  EXPECT_EQ(names.size(), rollout_state_names().size());
}

}  // namespace
}  // namespace ota
