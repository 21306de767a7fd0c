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

TEST_P(Events, WebhooksComeBack) {
  Webhook w;
  w.url = "https://example.com/hook?key=1";
  w.types = {"rollout.*", "task.failed"};
  w.channel = "stable";
  w.salt = "new";
  w.old_salt = "old";
  w.old_until = WallTime{5s};
  w.created = WallTime{1s};
  w.created_by = "anna";
  w.revision = 3;
  w.cursor = 42;
  w.enabled = false;
  w.disabled_reason = "410";
  w.failures = 2;
  w.next_at = WallTime{6s};
  w.failing_since = WallTime{2s};
  w.last_at = WallTime{3s};
  w.last_status = 500;
  w.last_error = "answered 500";
  webhooks.insert(w);
  EXPECT_EQ(w.id, 1);
  const auto same = [&](const Webhook& back) {
    EXPECT_EQ(back.url, w.url);
    EXPECT_EQ(back.types, w.types);
    EXPECT_EQ(back.channel, w.channel);
    EXPECT_EQ(back.salt, w.salt);
    EXPECT_EQ(back.old_salt, w.old_salt);
    EXPECT_EQ(back.old_until, w.old_until);
    EXPECT_EQ(back.created_by, w.created_by);
    EXPECT_EQ(back.revision, w.revision);
    EXPECT_EQ(back.cursor, w.cursor);
    EXPECT_EQ(back.enabled, w.enabled);
    EXPECT_EQ(back.disabled_reason, w.disabled_reason);
    EXPECT_EQ(back.failures, w.failures);
    EXPECT_EQ(back.next_at, w.next_at);
    EXPECT_EQ(back.failing_since, w.failing_since);
    EXPECT_EQ(back.last_at, w.last_at);
    EXPECT_EQ(back.last_status, w.last_status);
    EXPECT_EQ(back.last_error, w.last_error);
  };
  same(webhooks.find(1).value());
  w.types.clear();
  w.cursor = 43;
  w.enabled = true;
  w.next_at.reset();
  webhooks.update(w);
  same(webhooks.find(1).value());
  auto other = w;
  webhooks.insert(other);
  EXPECT_EQ(webhooks.all().size(), 2u);
  EXPECT_TRUE(webhooks.remove(1));
  EXPECT_FALSE(webhooks.remove(1));
  EXPECT_FALSE(webhooks.find(1));
  webhooks.insert(other);
  EXPECT_EQ(other.id, 3) << "ids are not given out twice";
}

}  // namespace
}  // namespace ota::storage
