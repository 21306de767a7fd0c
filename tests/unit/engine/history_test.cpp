// Points of rollouts and of the fleet over time.
#include <gmock/gmock.h>

#include "unit/engine/fleet_fixture.hpp"

namespace ota::engine {
namespace {

class HistoryTest : public FleetTest {
 protected:
  void runs() {
    unit([](auto& s) {
      s.history.run();
      return 0;
    });
  }
  std::vector<storage::Rollouts::Point> points(const RolloutId& id) {
    return unit([&](auto& s) { return s.rows.rollouts().points(id.number, {}, Millis{1}, 1'000); });
  }
  std::vector<std::string> fleet() {
    std::vector<std::string> found;
    for (const auto& point : unit([](auto& s) { return s.rows.fleet().points({}, {}, {}, Millis{1}, 1'000); }))
      found.push_back(point.version + " " + std::to_string(point.devices));
    return found;
  }
};

TEST_F(HistoryTest, ARolloutHasAPointAMinuteWhereItChanged) {
  devices(3);
  auto wanted = spec();
  wanted.stages.clear();
  wanted.max_failures = Share{};
  const auto id = rollout(wanted);
  runs();
  ASSERT_EQ(points(id).size(), 1u);
  updates("gw-1");
  updates("gw-2");
  updates("gw-3");
  advance(60s);
  runs();
  const auto all = points(id);
  EXPECT_EQ(at(all.back().counts, Bucket::healthy), 3);
  for (std::size_t i = 1; i < all.size(); ++i) {
    EXPECT_GE(all[i].at - all[i - 1].at, Millis{60'000});
    EXPECT_NE(all[i].counts, all[i - 1].counts);
  }
  advance(600s);
  runs();
  EXPECT_EQ(points(id).size(), all.size()) << "nothing changed";
}

TEST_F(HistoryTest, TheFleetHasAPointAnHourWhereItChanged) {
  devices(3);
  advance(3'600s);
  runs();
  EXPECT_THAT(fleet(), testing::ElementsAre("1.0.0 3"));
  advance(3'600s);
  runs();
  EXPECT_THAT(fleet(), testing::ElementsAre("1.0.0 3"));
  devices(2, "2.0.0");
  runs();
  EXPECT_THAT(fleet(), testing::ElementsAre("1.0.0 3")) << "not before the next hour";
  advance(3'600s);
  runs();
  EXPECT_THAT(fleet(), testing::ElementsAre("1.0.0 3", "1.0.0 1", "2.0.0 2"));
  devices(3, "2.0.0");
  advance(3'600s);
  open();  // after a restart it knows what it wrote
  runs();
  EXPECT_THAT(fleet(), testing::ElementsAre("1.0.0 3", "1.0.0 1", "2.0.0 2", "1.0.0 0", "2.0.0 3"));
  advance(std::chrono::days{400});
  runs();
  EXPECT_THAT(fleet(), testing::ElementsAre("2.0.0 0")) << "older ones go after a year; strangers have gone, too";
}

}  // namespace
}  // namespace ota::engine
