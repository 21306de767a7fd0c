#include "ota/events/cloud_event.hpp"

#include <gtest/gtest.h>

namespace ota::events {
namespace {

Event event(EventType type) {
  Event event;
  event.number = 10'423;
  event.time = WallTime{Millis{1'764'145'800'250}};
  event.type = type;
  event.subject = "RO_20261126_000001";
  return event;
}

TEST(CloudEvent, HasItsAttributesAndData) {
  auto halted = event(EventType::rollout_halted);
  halted.channel = "stable";
  halted.data = R"({"reason":"budget_spent"})";
  EXPECT_EQ(cloud_event(halted, "/otad/gateway"),
            R"({"specversion":"1.0","id":"10423","source":"/otad/gateway","type":"otad.rollout.halted",)"
            R"("time":"2025-11-26T08:30:00Z","subject":"RO_20261126_000001","datacontenttype":"application/json",)"
            R"("data":{"channel":"stable","reason":"budget_spent"}})");
}

TEST(CloudEvent, DataIsAnObjectWhateverIsThere) {
  const auto data = [](const std::string& channel, const std::string& device, const std::string& kept) {
    auto of = event(EventType::task_failed);
    of.channel = channel;
    of.device = device;
    of.data = kept;
    const auto text = cloud_event(of, "/otad/g");
    return text.substr(text.find("\"data\":") + 7);
  };
  EXPECT_EQ(data("", "", "{}"), "{}}");
  EXPECT_EQ(data("", "", R"({"a":1})"), R"({"a":1}})");
  EXPECT_EQ(data("c", "", "{}"), R"({"channel":"c"}})");
  EXPECT_EQ(data("c", "d", R"({"a":1})"), R"({"channel":"c","device_id":"d","a":1}})");
}

TEST(CloudEvent, TheSourceIsAUriReference) { EXPECT_EQ(source_of("gate way/1"), "/otad/gate%20way%2F1"); }

TEST(CloudEvent, OneThatIsInNoLog) {
  EXPECT_EQ(cloud_event("test_1", "webhook.test", WallTime{}, "/otad/g"),
            R"({"specversion":"1.0","id":"test_1","source":"/otad/g","type":"otad.webhook.test",)"
            R"("time":"1970-01-01T00:00:00Z","datacontenttype":"application/json","data":{}})");
}

}  // namespace
}  // namespace ota::events
