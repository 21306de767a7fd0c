#include "app/health_watch.hpp"

#include <gmock/gmock.h>

#include <vector>

namespace ota::app {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

class HealthWatchTest : public ::testing::Test {
 protected:
  void look(const std::string& component, const std::string& trouble, std::chrono::seconds patience = 30s) {
    watch.look(component, trouble, patience, now);
  }
  std::vector<std::string> told;
  HealthWatch watch{[this](const std::string& component, const std::string& trouble) {
    told.push_back(component + ": " + trouble);
  }};
  HealthWatch::Steady::time_point now{1h};
};

TEST_F(HealthWatchTest, TroubleIsToldOnceItLasts) {
  look("broker", "");
  look("broker", "refused");
  now += 29s;
  look("broker", "refused");
  EXPECT_TRUE(told.empty());
  now += 1s;
  look("broker", "timed out");
  now += 1h;
  look("broker", "timed out");
  EXPECT_THAT(told, ElementsAre("broker: timed out"));
  look("broker", "");
  look("broker", "");
  EXPECT_THAT(told, ElementsAre("broker: timed out", "broker: "));
}

TEST_F(HealthWatchTest, ShortTroubleIsNoNews) {
  for (int i = 0; i < 5; ++i) {
    look("broker", "refused");
    now += 20s;
    look("broker", "");
    now += 20s;
  }
  EXPECT_TRUE(told.empty());
}

TEST_F(HealthWatchTest, EachComponentByItself) {
  look("broker", "refused");
  look("disk", "12 MiB free", 0s);
  EXPECT_THAT(told, ElementsAre("disk: 12 MiB free"));
  now += 30s;
  look("disk", "");
  look("broker", "refused");
  EXPECT_THAT(told, ElementsAre("disk: 12 MiB free", "disk: ", "broker: refused"));
}

}  // namespace
}  // namespace ota::app
