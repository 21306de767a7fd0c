#include "ota/domain/rollout.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ota {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Share share(std::string_view text) {
  const auto parsed = Share::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Share{});
}

std::vector<Stage> stages(std::initializer_list<const char*> sizes) {
  std::vector<Stage> list;
  for (const auto* size : sizes) {
    list.emplace_back();
    list.back().to = share(size);
  }
  return list;
}

/// The sizes after check_and_complete().
std::vector<std::string> completed(std::vector<Stage> list) {
  RolloutSpec spec;
  spec.stages = std::move(list);
  EXPECT_TRUE(check_and_complete(spec));
  std::vector<std::string> sizes;
  for (const auto& stage : spec.stages) sizes.push_back(to_string(stage.to));
  return sizes;
}

/// The names of the fields that are wrong.
std::vector<std::string> wrong_fields(RolloutSpec spec) {
  const auto checked = check_and_complete(spec);
  std::vector<std::string> names;
  if (checked) return names;
  EXPECT_EQ(checked.error().code, Errc::malformed);
  for (const auto& field : checked.error().fields) names.push_back(field.field);
  return names;
}

TEST(Share, GoesThereAndBack) {
  for (const char* text : {"canary", "1", "40", "1000000000", "1%", "25%", "100%", "0.5%", "0.01%", "33.33%", "99.9%"})
    EXPECT_EQ(to_string(share(text)), text);
  for (std::int64_t hundredths = 1; hundredths <= 10'000; ++hundredths) {
    const Share written{Share::Kind::percent, hundredths};
    ASSERT_EQ(Share::parse(to_string(written)), written) << hundredths;
  }
}

TEST(Share, IsReadInOtherSpellingsToo) {
  EXPECT_EQ(share("0.50%"), share("0.5%"));
  EXPECT_EQ(share("25.0%"), share("25%"));
  EXPECT_EQ(share("25.00%"), share("25%"));
}

TEST(Share, RefusesWhatIsNone) {
  for (const char* text : {"", "0", "-1", "1.5", "1000000001", "99999999999999999999", "0%", "0.0%", "0.00%", "0.001%",
                           "100.01%", "101%", "-1%", "%", ".5%", "1.%", "1 %", " 1%", "+1%", "Canary", "all", "1e2",
                           "1%%", "1,5%", "0x10", "-0.5%", "-1.5%", "9.-5%"})
    EXPECT_FALSE(Share::parse(text)) << text;
}

TEST(Share, KnowsAll) {
  EXPECT_TRUE(share("100%").is_all());
  EXPECT_TRUE(Share{}.is_all());
  EXPECT_FALSE(share("99.99%").is_all());
  EXPECT_FALSE(share("10000").is_all());
  EXPECT_FALSE(share("canary").is_all());
}

struct Sizes {
  const char* share;
  std::int64_t total;
  std::int64_t stage;
};

TEST(StageSize, IsRoundedUpAndAtLeastOne) {
  for (const auto& [text, total, size] :
       {Sizes{"canary", 0, 1}, {"canary", 1, 1}, {"canary", 100, 1}, {"canary", 101, 2}, {"canary", 812, 9},
        {"canary", 901, 10}, {"canary", 1'000, 10}, {"canary", 1'000'000, 10},
        {"1%", 0, 1}, {"1%", 1, 1}, {"1%", 99, 1}, {"1%", 100, 1}, {"1%", 101, 2}, {"1%", 10'000, 100},
        {"10%", 5, 1}, {"10%", 11, 2}, {"0.01%", 10'000, 1}, {"0.01%", 10'001, 2}, {"33.33%", 3, 1}, {"33.34%", 3, 2},
        {"100%", 0, 1}, {"100%", 1, 1}, {"100%", 7, 7}, {"100%", 1'000'000'000, 1'000'000'000},
        {"40", 0, 1}, {"40", 39, 39}, {"40", 40, 40}, {"40", 41, 40}})
    EXPECT_EQ(stage_size(share(text), total), size) << text << " of " << total;
}

TEST(BudgetSize, IsRoundedDownAndAtLeastOne) {
  for (const auto& [text, total, size] :
       {Sizes{"1%", 0, 1}, {"1%", 1, 1}, {"1%", 99, 1}, {"1%", 100, 1}, {"1%", 199, 1}, {"1%", 200, 2}, {"1%", 812, 8},
        {"1%", 10'000, 100}, {"0.5%", 1'000, 5}, {"0.5%", 999, 4}, {"99.99%", 10'000, 9'999}, {"100%", 7, 7},
        {"3", 0, 3}, {"3", 1, 3}, {"3", 1'000'000, 3}})
    EXPECT_EQ(budget_size(share(text), total), size) << text << " of " << total;
}

TEST(CheckAndComplete, AddsTheLastStage) {
  EXPECT_THAT(completed({}), ElementsAre("100%"));
  EXPECT_THAT(completed(stages({"canary", "10%"})), ElementsAre("canary", "10%", "100%"));
  EXPECT_THAT(completed(stages({"canary", "100%"})), ElementsAre("canary", "100%"));
  EXPECT_THAT(completed(stages({"40"})), ElementsAre("40", "100%"));
}

TEST(CheckAndComplete, AddsItAfterAStageForSomeDevices) {
  auto list = stages({"100%"});
  list[0].tags = {{"site", "lab"}};
  EXPECT_THAT(completed(list), ElementsAre("100%", "100%"));
}

TEST(CheckAndComplete, AllowsEqualStages) {
  EXPECT_THAT(completed(stages({"10%", "10%", "100%", "100%"})), ElementsAre("10%", "10%", "100%", "100%"));
}

TEST(CheckAndComplete, LeavesDifferentKindsToTheRollout) {
  EXPECT_THAT(completed(stages({"50", "1%", "20", "canary"})), ElementsAre("50", "1%", "20", "canary", "100%"));
}

TEST(CheckAndComplete, RefusesStagesThatShrink) {
  RolloutSpec spec;
  spec.stages = stages({"canary", "10%", "9.99%", "40", "39"});
  EXPECT_THAT(wrong_fields(spec), ElementsAre("stages[2]", "stages[4]"));
  spec.stages = stages({"100%", "50%"});
  EXPECT_THAT(wrong_fields(spec), ElementsAre("stages[1]"));
}

TEST(CheckAndComplete, RefusesTooManyStages) {
  RolloutSpec spec;
  spec.stages.assign(kMaxStages - 1, Stage{share("1%"), {}, {}, false, 0, {}, {}, false});
  EXPECT_THAT(wrong_fields(spec), IsEmpty());
  spec.stages.assign(kMaxStages, Stage{share("1%"), {}, {}, false, 0, {}, {}, false});
  EXPECT_THAT(wrong_fields(spec), ElementsAre("stages")) << "the last, which is added, counts";
}

TEST(CheckAndComplete, RefusesNumbersOutOfRange) {
  constexpr int kYear = 366 * 24 * 3600;
  RolloutSpec spec;
  spec.soak_s = 1;
  spec.stage_delay_s = 0;
  spec.postpone_s = 0;
  spec.max_soaking = 1;
  EXPECT_THAT(wrong_fields(spec), IsEmpty());
  spec.soak_s = spec.stage_delay_s = spec.postpone_s = kYear;
  EXPECT_THAT(wrong_fields(spec), IsEmpty());
  spec.soak_s = 0;
  spec.stage_delay_s = spec.postpone_s = -1;
  spec.max_soaking = 0;
  EXPECT_THAT(wrong_fields(spec), ElementsAre("max_soaking", "soak_s", "stage_delay_s", "postpone_s"));
  spec.soak_s = spec.stage_delay_s = spec.postpone_s = kYear + 1;
  spec.max_soaking = 1'000'000'001;
  EXPECT_THAT(wrong_fields(spec), ElementsAre("max_soaking", "soak_s", "stage_delay_s", "postpone_s"));
}

TEST(CheckAndComplete, RefusesDelaysOfStagesOutOfRange) {
  RolloutSpec spec;
  spec.stages = stages({"canary", "1%", "10%"});
  spec.stages[0].delay_s = -1;
  spec.stages[1].delay_s = 0;
  spec.stages[2].delay_s = 366 * 24 * 3600 + 1;
  EXPECT_THAT(wrong_fields(spec), ElementsAre("stages[0].delay_s", "stages[2].delay_s"));
}

TEST(CheckAndComplete, RefusesABudgetThatIsNone) {
  RolloutSpec spec;
  spec.max_failures = share("canary");
  EXPECT_THAT(wrong_fields(spec), ElementsAre("max_failures"));
}

TEST(CheckAndComplete, RefusesVersionsThatAreNone) {
  RolloutSpec spec;
  spec.only_from = {"1.4.0", "", "1.5.0"};
  EXPECT_THAT(wrong_fields(spec), ElementsAre("only_from[1]"));
  spec.only_from.assign(100, "1.4.0");
  EXPECT_THAT(wrong_fields(spec), IsEmpty());
  spec.only_from.emplace_back("1.4.0");
  EXPECT_THAT(wrong_fields(spec), ElementsAre("only_from"));
}

TEST(CheckAndComplete, RefusesToExpireBeforeItStarts) {
  RolloutSpec spec;
  spec.not_before = WallTime{Millis{1'000}};
  spec.expires_at = WallTime{Millis{1'001}};
  EXPECT_THAT(wrong_fields(spec), IsEmpty());
  spec.expires_at = spec.not_before;
  EXPECT_THAT(wrong_fields(spec), ElementsAre("expires_at"));
}

TEST(RolloutIds, GoThereAndBack) {
  const RolloutId id{20261126, 1};
  EXPECT_EQ(id.str(), "RO_20261126_000001");
  EXPECT_EQ(RolloutId::parse(id.str()), id);
  EXPECT_EQ(RolloutId::parse("RO_20261126_1234567"), (RolloutId{20261126, 1'234'567}));
  for (const char* text : {"", "RO_", "OTA_20261126_000001", "RO_20261126_1", "RO_2026_000001", "RO_20261126_000000"})
    EXPECT_FALSE(RolloutId::parse(text)) << text;
}

TEST(RolloutSpec, IsPartialWithConditions) {
  RolloutSpec spec;
  EXPECT_FALSE(spec.partial());
  spec.where = {"tag.site=berlin"};
  EXPECT_TRUE(spec.partial());
}

}  // namespace
}  // namespace ota
