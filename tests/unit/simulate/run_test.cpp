#include "ota/simulate/run.hpp"

#include <gtest/gtest.h>

namespace ota::simulate {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

Plan plan(const std::string& toml = "") { return read_plan(toml, "plan").value(); }

Fleet fleet_of(Group group) { return {{std::move(group)}}; }

Group group_of(std::int64_t devices) {
  Group group;
  group.devices = devices;
  return group;
}

TEST(Run, IsRepeatedByItsSeed) {
  auto group = group_of(300);
  group.fails_silent = 0.1;
  group.flapping = 0.2;
  const auto fleet = fleet_of(group);
  const auto once = run(fleet, plan(), 7);
  const auto again = run(fleet, plan(), 7);
  EXPECT_EQ(once.ended, again.ended);
  EXPECT_EQ(once.harmed, again.harmed);
  EXPECT_EQ(once.passed, again.passed);
}

TEST(Run, OfAGoodFirmwareReachesEverybody) {
  const auto outcome = run(fleet_of(group_of(1'000)), plan(), 1);
  EXPECT_EQ(outcome.state, RolloutState::completed);
  EXPECT_EQ(outcome.healthy, 1'000);
  EXPECT_EQ(outcome.harmed, 0);
  EXPECT_EQ(outcome.budget, 10);
  EXPECT_GT(outcome.ended, hours{3});
  EXPECT_LT(outcome.ended, hours{6});
}

TEST(Run, OfAFirmwareThatKillsAllSilentlyHarmsTheBudget) {
  auto group = group_of(1'000);
  group.fails_silent = 1;
  const auto outcome = run(fleet_of(group), plan(), 1);
  EXPECT_EQ(outcome.state, RolloutState::halted);
  EXPECT_EQ(outcome.harmed, 10);
  EXPECT_EQ(outcome.passed, 10);
  EXPECT_EQ(outcome.most_unproven, 10);
  EXPECT_GT(outcome.ended, minutes{33});
  EXPECT_LT(outcome.ended, hours{1});
}

TEST(Run, OfAFirmwareThatFailsLoudlyHaltsWithinMinutes) {
  auto group = group_of(1'000);
  group.fails_loud = 1;
  const auto outcome = run(fleet_of(group), plan(), 1);
  EXPECT_EQ(outcome.state, RolloutState::halted);
  EXPECT_LE(outcome.harmed, 10);
  EXPECT_LT(outcome.ended, minutes{20});
}

TEST(Run, WithoutABudgetHarmsAll) {
  auto group = group_of(100);
  group.fails_loud = 1;
  const auto outcome = run(fleet_of(group), plan("max_failures = \"100%\"\nstages = [\"100%\"]"), 1);
  EXPECT_EQ(outcome.harmed, 100);
}

TEST(Run, KeepsToMaxSoaking) {
  auto group = group_of(1'000);
  group.fails_silent = 1;
  const auto outcome = run(fleet_of(group), plan("max_soaking = 3"), 1);
  EXPECT_EQ(outcome.most_unproven, 3);
  EXPECT_LE(outcome.passed, 5) << "2 failures are enough to halt";
}

TEST(Run, AdmitsOnlyDevicesWithTheTagsOfTheStage) {
  auto lab = group_of(20);
  lab.tags = {{"site", "lab"}};
  lab.fails_silent = 1;
  const Fleet fleet{{lab, group_of(980)}};
  const auto outcome = run(fleet, plan("stages = [{to = \"100%\", tags = {site = \"lab\"}}]"), 1);
  EXPECT_EQ(outcome.state, RolloutState::halted);
  EXPECT_EQ(outcome.harmed, outcome.passed) << "the others wait for the next stage";
  EXPECT_EQ(outcome.budget, 1) << "of the lab's devices";
}

TEST(Run, GoesOnAfterAStageForSomeDevices) {
  auto lab = group_of(20);
  lab.tags = {{"site", "lab"}};
  const Fleet fleet{{lab, group_of(980)}};
  const auto outcome = run(fleet, plan("stages = [{to = \"100%\", tags = {site = \"lab\"}, approve = true}]"), 1);
  EXPECT_EQ(outcome.state, RolloutState::completed);
  EXPECT_EQ(outcome.healthy, 1'000);
}

TEST(Run, LeavesOutOtherVersionsUntilItCompleted) {
  auto old = group_of(500);
  old.from_version = "0.9.0";
  old.fails_silent = 1;
  const Fleet fleet{{group_of(500), old}};
  const auto outcome = run(fleet, plan("only_from = [\"1.0.0\"]"), 1);
  EXPECT_EQ(outcome.state, RolloutState::halted_target) << "those behind the target got it, too";
  EXPECT_EQ(outcome.healthy, 500);
  EXPECT_LE(outcome.harmed, 5);
}

TEST(Run, WaitsADayForDevicesThatAreDead) {
  auto group = group_of(100);
  group.dead = 0.3;
  const auto outcome = run(fleet_of(group), plan(), 1);
  EXPECT_EQ(outcome.state, RolloutState::completed);
  EXPECT_GT(outcome.ended, days{1}) << "the last stage isn't full";
  EXPECT_LT(outcome.ended, days{2});
}

TEST(Run, CountsWhatLiarsHide) {
  auto group = group_of(200);
  group.fails_silent = 1;
  group.lying = 1;
  const auto outcome = run(fleet_of(group), plan(), 1);
  EXPECT_EQ(outcome.healthy, 200) << "so they say";
  EXPECT_EQ(outcome.harmed, 200);
}

TEST(Spread, IsMedianNinetyFifthAndWorst) {
  std::vector<double> values;
  for (int i = 100; i > 0; --i) values.push_back(i);
  const auto found = spread(values);
  EXPECT_EQ(found.median, 50);
  EXPECT_EQ(found.p95, 95);
  EXPECT_EQ(found.worst, 100);
  EXPECT_EQ(spread({}).worst, 0);
  EXPECT_EQ(spread({3}).median, 3);
}

TEST(Summary, CountsRuns) {
  auto group = group_of(100);
  group.fails_silent = 0.02;
  const auto summary = simulate(fleet_of(group), plan(), 40, 1);
  EXPECT_EQ(summary.runs, 40);
  EXPECT_EQ(summary.devices, 100);
  EXPECT_EQ(summary.budget, 1);
  EXPECT_EQ(summary.completed + summary.halted, 40);
  EXPECT_GT(summary.halted, 0);
  EXPECT_EQ(summary.reasons.at("budget_spent"), summary.halted);
  EXPECT_FALSE(summary.rule_broken);
}

}  // namespace
}  // namespace ota::simulate
