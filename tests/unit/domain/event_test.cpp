#include "ota/domain/event.hpp"

#include <gtest/gtest.h>

#include <set>

namespace ota {
namespace {

TEST(EventTypes, EachHasANameOfItsOwn) {
  const std::set<std::string_view> names(event_type_names().begin(), event_type_names().end());
  EXPECT_EQ(names.size(), kEventTypes);
  EXPECT_EQ(to_string(EventType::rollout_created), "rollout.created");
  EXPECT_EQ(to_string(EventType::task_created), "task.created");
  EXPECT_EQ(to_string(EventType::device_registered), "device.registered");
  EXPECT_EQ(to_string(EventType::firmware_uploaded), "firmware.uploaded");
  EXPECT_EQ(to_string(EventType::server_recovered), "server.recovered");
}

TEST(EventTypes, HoldOneOrAGroup) {
  auto types = EventTypes::none();
  EXPECT_TRUE(types.add("task.failed"));
  EXPECT_TRUE(types.contains(EventType::task_failed));
  EXPECT_FALSE(types.contains(EventType::task_succeeded));
  EXPECT_TRUE(types.add("server.*"));
  for (const auto type : {EventType::server_started, EventType::server_degraded, EventType::server_recovered})
    EXPECT_TRUE(types.contains(type));
  EXPECT_FALSE(types.contains(EventType::firmware_removed));
}

TEST(EventTypes, RefuseWhatIsNoTypeOrGroup) {
  auto types = EventTypes::none();
  for (const auto* wrong : {"", "*", "task", "task.", "task.fail", "tasks.*", "otad.task.failed", ".*", "task.*.*"})
    EXPECT_FALSE(types.add(wrong)) << wrong;
  EXPECT_EQ(types, EventTypes::none());
}

TEST(EventFilter, HasAllTypesChannelsAndDevicesByDefault) {
  Event event;
  event.type = EventType::server_recovered;
  EXPECT_TRUE(EventFilter{}.matches(event));
  event.type = EventType::task_failed;
  event.channel = "stable";
  event.device = "gw-1";
  EXPECT_TRUE(EventFilter{}.matches(event));
  EventFilter filter;
  filter.channel = "stable";
  EXPECT_TRUE(filter.matches(event));
  filter.device = "gw-2";
  EXPECT_FALSE(filter.matches(event));
  filter.device = "gw-1";
  EXPECT_TRUE(filter.matches(event));
  filter.types = EventTypes::none();
  EXPECT_FALSE(filter.matches(event));
}

}  // namespace
}  // namespace ota
