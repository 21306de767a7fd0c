#include "otactl/bars.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "otactl/buckets.hpp"

namespace ota::otactl {
namespace {

using Columns = std::vector<std::size_t>;

TEST(ShareColumns, GivesEachItsShare) {
  EXPECT_EQ(share_columns({50, 25, 25}, 100, 20), (Columns{10, 5, 5}));
  EXPECT_EQ(share_columns({10, 0}, 100, 20), (Columns{2, 0}));
}

TEST(ShareColumns, ShowsOneDeviceOfAMillion) {
  EXPECT_EQ(share_columns({999'999, 1}, 1'000'000, 20), (Columns{19, 1}));
  EXPECT_EQ(share_columns({1}, 1'000'000, 20), (Columns{1}));
}

TEST(ShareColumns, IsFullOnlyWhenNothingIsLeft) {
  EXPECT_EQ(share_columns({999}, 1000, 20), (Columns{19}));
  EXPECT_EQ(share_columns({1000}, 1000, 20), (Columns{20}));
}

TEST(ShareColumns, TakesAnyNumbers) {
  EXPECT_EQ(share_columns({}, 10, 20), Columns{});
  EXPECT_EQ(share_columns({5}, 0, 20), (Columns{0}));
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::int64_t> counts(1 + random() % 7);
    for (auto& count : counts) count = random() % 3 == 0 ? 0 : static_cast<std::int64_t>(random() % 500);
    const auto sum = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
    const auto total = sum + static_cast<std::int64_t>(random() % 300);
    const std::size_t width = 1 + random() % 60;
    const auto columns = share_columns(counts, total, width);
    const auto used = std::accumulate(columns.begin(), columns.end(), std::size_t{0});
    EXPECT_LE(used, width);
    if (sum == total && total > 0) {
      EXPECT_EQ(used, width);
    }
    if (width < counts.size()) continue;
    for (std::size_t k = 0; k < counts.size(); ++k) EXPECT_EQ(columns[k] > 0, counts[k] > 0) << i;
  }
}

TEST(Bar, HasAWidthAndDotsForTheRest) {
  const std::vector<Segment> segments{{5, "█", '#'}, {1, "✗", 'x'}};
  EXPECT_EQ(bar(segments, 10, 10, {}), "#####x....");
  EXPECT_EQ(bar(segments, 10, 10, {true, false}), "█████✗····");
  EXPECT_EQ(bar(segments, 3, 6, {}), "#####x");
  EXPECT_EQ(bar({}, 0, 4, {}), "....");
}

TEST(ProgressBar, CountsInEighthsWhereItCan) {
  EXPECT_EQ(progress_bar(50, 100, 4, {}), "##..");
  EXPECT_EQ(progress_bar(5, 8, 1, {true, false}), "▋");
  EXPECT_EQ(progress_bar(100, 100, 3, {true, false}), "███");
  EXPECT_EQ(progress_bar(7, 0, 3, {}), "...");
  EXPECT_EQ(progress_bar(200, 100, 3, {}), "###");
}

TEST(Buckets, AreCountedDrawnAndNamed) {
  const auto buckets = Json::parse(R"({"assigned": 2, "absent": 3, "staged": 0, "soaking": 1, "overdue": 0,
                                       "healthy": 6, "failed": 1, "undelivered": 0, "dropped": 0})");
  EXPECT_EQ(members_of(buckets), 10);
  EXPECT_EQ(bucket_bar(buckets, 20, 20, {}), "######x+--..........");
  EXPECT_EQ(bucket_words(buckets), "6 healthy, 1 failed, 1 soaking, 2 assigned, 3 absent");
  EXPECT_EQ(bucket_words(Json::object()), "no device yet");
}

}  // namespace
}  // namespace ota::otactl
