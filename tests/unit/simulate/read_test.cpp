#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "ota/simulate/fleet.hpp"

namespace ota::simulate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::string sample(const std::string& name) {
  std::ifstream in(std::string(OTAD_SAMPLES) + "/" + name);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The names of the fields that are wrong.
template <class T>
std::vector<std::string> wrong_fields(const Result<T>& result) {
  std::vector<std::string> names;
  if (result) return names;
  EXPECT_EQ(result.error().code, Errc::malformed);
  for (const auto& field : result.error().fields) names.push_back(field.field);
  return names;
}

std::vector<std::string> sizes(const Plan& plan) {
  std::vector<std::string> list;
  for (const auto& stage : plan.spec.stages) list.push_back(to_string(stage.to));
  return list;
}

TEST(ReadFleet, TakesTheSample) {
  const auto fleet = read_fleet(sample("fleet.toml"), "fleet.toml");
  ASSERT_TRUE(fleet) << fleet.error().message;
  ASSERT_EQ(fleet->groups.size(), 4u);
  EXPECT_EQ(fleet->devices(), 1'000);
  const auto& gateways = fleet->groups[0];
  EXPECT_EQ(gateways.name, "gateways");
  EXPECT_EQ(gateways.from_version, "1.4.0");
  EXPECT_EQ(gateways.gap, std::chrono::minutes{1});
  EXPECT_EQ(gateways.download, std::chrono::minutes{5});
  EXPECT_EQ(gateways.tags.at("site"), "berlin");
  EXPECT_DOUBLE_EQ(gateways.dead, 0.02);
  EXPECT_DOUBLE_EQ(gateways.fails_silent, 0.05);
  EXPECT_DOUBLE_EQ(fleet->groups[2].fails_silent, 1.0);
  EXPECT_EQ(fleet->groups[3].gap, std::chrono::days{1});
}

TEST(ReadFleet, NamesGroupsWithoutAName) {
  const auto fleet = read_fleet("[[group]]\ndevices = 1\n[[group]]\ndevices = 2\n", "f");
  ASSERT_TRUE(fleet);
  EXPECT_EQ(fleet->groups[1].name, "group 2");
}

TEST(ReadFleet, RefusesWhatIsWrongWithItsPlace) {
  const auto fleet = read_fleet("dead = 5\nsize = 1\n[[group]]\ndevices = 0\ncontact_s = 1.5\nfails_loud = \"101%\"\n"
                                "from_version = \"\"\ntags = [\"a\"]\nfails_silnt = \"1%\"\n", "f.toml");
  ASSERT_FALSE(fleet);
  EXPECT_THAT(wrong_fields(fleet),
              UnorderedElementsAre("dead", "size", "group[0].devices", "group[0].contact_s", "group[0].fails_loud",
                                   "group[0].from_version", "group[0].tags", "group[0].fails_silnt"));
  EXPECT_THAT(fleet.error().message, HasSubstr("f.toml:1: dead must be a percentage"));
  EXPECT_THAT(fleet.error().message,
              HasSubstr("f.toml:9: group[0].fails_silnt is unknown; did you mean fails_silent?"));
}

TEST(ReadFleet, RefusesFleetsThatAreNone) {
  EXPECT_THAT(wrong_fields(read_fleet("", "f")), ElementsAre("group"));
  EXPECT_THAT(wrong_fields(read_fleet("group = 5", "f")), ElementsAre("group"));
  EXPECT_THAT(wrong_fields(read_fleet("group = [5]", "f")), ElementsAre("group"));
  EXPECT_THAT(wrong_fields(read_fleet("[[group]]\nname = \"a\"", "f")), ElementsAre("group[0].devices"));
  EXPECT_THAT(wrong_fields(read_fleet("[[group]]\ndevices = 600000\n[[group]]\ndevices = 600000\n", "f")),
              ElementsAre("devices"));
  EXPECT_THAT(wrong_fields(read_fleet("[[group]]\ndevices = 1\nfails_loud = \"60%\"\nfails_silent = \"60%\"\n", "f")),
              ElementsAre("group[0].fails_silent"));
  const auto broken = read_fleet("[[group", "f");
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("f:1: is not TOML"));
}

TEST(ReadPlan, TakesTheSampleWhichHasTheDefaults) {
  const auto plan = read_plan(sample("rollout.toml"), "rollout.toml");
  ASSERT_TRUE(plan) << plan.error().message;
  const auto defaults = read_plan("", "");
  ASSERT_TRUE(defaults);
  for (const auto& one : {*plan, *defaults}) {
    EXPECT_THAT(sizes(one), ElementsAre("canary", "1%", "10%", "100%"));
    EXPECT_EQ(to_string(one.spec.max_failures), "1%");
    EXPECT_FALSE(one.spec.max_soaking);
    EXPECT_EQ(one.spec.soak_s, 1'800);
    EXPECT_EQ(one.spec.stage_delay_s, 3'600);
    EXPECT_EQ(to_string(one.limits.max_failure_rate), "5%");
    EXPECT_EQ(one.limits.stage_timeout, std::chrono::days{1});
    EXPECT_EQ(one.living, std::chrono::days{7});
  }
}

TEST(ReadPlan, TakesTheFieldsOfRest) {
  const auto plan = read_plan(
      "channel = \"stable\"\nversion = \"1.5.0\"\nhardware = \"gw-a\"\nnotes = \"\"\nforce = false\n"
      "stages = [3, \"10%\", {to = \"50%\", tags = {site = \"lab\"}, delay_s = 60, approve = true}]\n"
      "max_failures = 5\nmax_soaking = 2\nsoak_s = 600\nstage_delay_s = 0\nonly_from = [\"1.4.0\"]\n",
      "p");
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(sizes(*plan), ElementsAre("3", "10%", "50%", "100%"));
  EXPECT_EQ(plan->spec.stages[2].tags.at("site"), "lab");
  EXPECT_EQ(plan->spec.stages[2].delay_s, 60);
  EXPECT_TRUE(plan->spec.stages[2].approve);
  EXPECT_EQ(to_string(plan->spec.max_failures), "5");
  EXPECT_EQ(plan->spec.max_soaking, 2);
  EXPECT_THAT(plan->spec.only_from, ElementsAre("1.4.0"));
}

TEST(ReadPlan, RefusesWhatIsWrong) {
  const auto plan = read_plan(
      "stages = [\"1.5\", {to = 5, size = 1}, {delay_s = 1}]\nmax_failures = 0\nwhere = []\nexpires_at = \"x\"\n"
      "soaks = 5\nonly_from = [1]\n[settings]\nmax_failure_rate = 5\nliving_days = 0\n",
      "p");
  EXPECT_THAT(wrong_fields(plan),
              UnorderedElementsAre("stages[0]", "stages[1].size", "stages[2].to", "max_failures", "where", "expires_at",
                                   "soaks", "only_from", "settings.max_failure_rate", "settings.living_days"));
}

TEST(ReadPlan, ChecksTheRolloutAsRestDoes) {
  EXPECT_THAT(wrong_fields(read_plan("stages = [\"50%\", \"10%\"]", "p")), ElementsAre("stages[1]"));
  EXPECT_THAT(wrong_fields(read_plan("max_failures = \"canary\"", "p")), ElementsAre("max_failures"));
}

}  // namespace
}  // namespace ota::simulate
