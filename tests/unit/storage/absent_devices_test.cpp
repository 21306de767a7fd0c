#include "ota/storage/absent_devices.hpp"

#include "unit/storage/store.hpp"

namespace ota::storage {
namespace {

using namespace std::chrono_literals;

class Absent : public Contract {
 protected:
  void seen(const std::string& id, std::optional<Millis> at) {
    Device device;
    device.id = id;
    if (at) device.last_seen = WallTime{*at};
    put(device);
  }
  std::vector<std::string> ids(const ContactPlace& after, Millis before, int limit = 10) {
    std::vector<std::string> found;
    for (const auto& device : absent.list(after, WallTime{before}, limit)) found.push_back(device.id);
    return found;
  }
  AbsentDevices absent{*db};
};
INSTANTIATE_TEST_SUITE_P(, Absent, ::testing::Values(sqlite_on_disk()), name_of_kind);

using AbsentIds = std::vector<std::string>;

TEST_P(Absent, InTheOrderOfTheirLastContact) {
  seen("never", {});
  seen("c", 10ms);
  seen("a", 20ms);
  seen("b", 20ms);
  seen("now", 100ms);
  EXPECT_EQ(ids({}, 100ms), (AbsentIds{"c", "a", "b"}));
  EXPECT_EQ(ids({}, 20ms), (AbsentIds{"c"}));
  EXPECT_EQ(ids({}, 100ms, 2), (AbsentIds{"c", "a"}));
  EXPECT_EQ(ids({WallTime{20ms}, "a"}, 100ms), (AbsentIds{"b"}));
  EXPECT_EQ(ids({WallTime{20ms}, "b"}, 101ms), (AbsentIds{"now"}));
}

}  // namespace
}  // namespace ota::storage
