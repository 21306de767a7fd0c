// The contract of every backend: the event log.
#include "unit/storage/store.hpp"

namespace ota::storage {
namespace {

using namespace std::chrono_literals;

class Events : public Contract {
 protected:
  Event add(EventType type, const std::string& channel = {}, const std::string& device = {}, Millis at = 1s) {
    Event event;
    event.time = WallTime{at};
    event.type = type;
    event.subject = "subject";
    event.channel = channel;
    event.device = device;
    event.data = R"({"a":1})";
    events.add(event);
    return event;
  }
  std::vector<std::int64_t> numbers(const EventFilter& filter, std::int64_t after = 0, int limit = 100) {
    std::vector<std::int64_t> found;
    for (const auto& event : events.list(filter, after, limit).events) found.push_back(event.number);
    return found;
  }
};
INSTANTIATE_TEST_SUITE_P(, Events, ::testing::Values(sqlite_on_disk()), name_of_kind);

using EventNumbers = std::vector<std::int64_t>;

TEST_P(Events, AreNumberedAndReadBack) {
  EXPECT_EQ(events.newest(), 0);
  EXPECT_EQ(events.oldest(), 1);
  EXPECT_TRUE(events.list({}, 0, 10).events.empty());
  const auto first = add(EventType::task_failed, "stable", "gw-1", 5s);
  EXPECT_EQ(first.number, 1);
  EXPECT_EQ(add(EventType::server_started).number, 2);
  EXPECT_EQ(events.newest(), 2);
  EXPECT_EQ(events.oldest(), 1);
  const auto page = events.list({}, 0, 10);
  ASSERT_EQ(page.events.size(), 2u);
  EXPECT_EQ(page.last, 2);
  const auto& back = page.events.front();
  EXPECT_EQ(back.number, 1);
  EXPECT_EQ(back.time, first.time);
  EXPECT_EQ(back.type, first.type);
  EXPECT_EQ(back.subject, first.subject);
  EXPECT_EQ(back.channel, first.channel);
  EXPECT_EQ(back.device, first.device);
  EXPECT_EQ(back.data, first.data);
}

TEST_P(Events, ByTypeChannelAndDevice) {
  add(EventType::task_failed, "stable", "gw-1");
  add(EventType::task_succeeded, "stable", "gw-2");
  add(EventType::rollout_halted, "beta");
  add(EventType::server_recovered);
  EventFilter filter;
  filter.types = EventTypes::none();
  EXPECT_TRUE(filter.types.add("task.*"));
  EXPECT_EQ(numbers(filter), (EventNumbers{1, 2}));
  filter.device = "gw-2";
  EXPECT_EQ(numbers(filter), (EventNumbers{2}));
  filter = {};
  filter.channel = "beta";
  EXPECT_EQ(numbers(filter), (EventNumbers{3}));
  filter = {};
  filter.types = EventTypes::none();
  filter.types.add("server.recovered");
  EXPECT_EQ(numbers(filter), (EventNumbers{4}));
}

TEST_P(Events, PagesGoOnBehindTheLastThatWasLookedAt) {
  for (int i = 0; i < 5; ++i) add(EventType::task_failed);
  auto page = events.list({}, 0, 2);
  EXPECT_EQ(page.last, 2);
  page = events.list({}, page.last, 2);
  EXPECT_EQ(page.events.front().number, 3);
  page = events.list({}, page.last, 2);
  EXPECT_EQ(page.events.size(), 1u);
  EXPECT_EQ(page.last, 5);
  page = events.list({}, page.last, 2);
  EXPECT_TRUE(page.events.empty());
  EXPECT_EQ(page.last, 5);
  EventFilter none;
  none.device = "gw-9";
  EXPECT_EQ(events.list(none, 0, 2).last, 5) << "nothing fits, and nothing is looked at again";
  EXPECT_EQ(events.list({}, 99, 2).last, 99);
  EXPECT_EQ(events.list({}, INT64_MAX, 2).last, INT64_MAX);
}

TEST_P(Events, OldOnesGoAndNumbersGoOn) {
  for (int i = 0; i < 5; ++i) add(EventType::task_failed, {}, {}, i * 100ms);
  EXPECT_EQ(events.prune(WallTime{200ms}, 1), 1);
  EXPECT_EQ(events.prune(WallTime{200ms}, 100), 1);
  EXPECT_EQ(events.oldest(), 3);
  EXPECT_EQ(numbers({}), (EventNumbers{3, 4, 5}));
  EXPECT_EQ(events.prune(WallTime{1h}, 100), 3);
  EXPECT_EQ(events.newest(), 5);
  EXPECT_EQ(events.oldest(), 6);
  EXPECT_EQ(events.list({}, 0, 10).last, 5);
  EXPECT_EQ(add(EventType::task_failed).number, 6);
}

TEST_P(Events, WhatIsUndoneWasNeverThere) {
  db->begin();
  add(EventType::task_created);
  {
    Database::Savepoint nested(*db);
    add(EventType::task_failed);
  }
  add(EventType::task_offered);
  db->commit();
  db->begin();
  add(EventType::task_cancelled);
  db->rollback();
  const auto page = events.list({}, 0, 10);
  ASSERT_EQ(page.events.size(), 2u);
  EXPECT_EQ(page.events.back().type, EventType::task_offered);
  EXPECT_EQ(page.events.back().number, 2);
  EXPECT_EQ(events.newest(), 2);
}

}  // namespace
}  // namespace ota::storage
