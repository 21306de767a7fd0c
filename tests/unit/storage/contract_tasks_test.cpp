// The contract of every backend: tasks.
#include "unit/storage/store.hpp"

namespace ota::storage {
namespace {

using namespace std::chrono_literals;

using TaskRows = Contract;
INSTANTIATE_TEST_SUITE_P(, TaskRows, ::testing::Values(sqlite_on_disk()), name_of_kind);

TEST_P(TaskRows, ATaskComesBackAsItWasKept) {
  Task t;
  t.id.day = 20261122;
  t.device = "gw-1";
  t.firmware_id = 7;
  t.version = "1.2.3";
  t.hardware = "gw-a";
  t.checksum = digest_of(3);
  t.size = 4ull << 30;
  t.priority = Priority::low;
  t.confirm = Confirm::always;
  t.downgrade = DowngradePermission{"gw-1", "2026-12-01T00:00:00Z", {"vendor", "c2ln"}};
  t.force = true;
  t.created_by = "alice";
  t.retry_of = 3;
  t.created = WallTime{5'000ms};
  t.not_before = WallTime{6'000ms};
  t.expires_at = WallTime{7'000ms};
  t.queued_at_tl = 8'000ms;
  t.wait_due = 9'000ms;
  t.expiry_due = 10'000ms;
  unit.insert(t);
  unit.flush();
  t.state = TaskState::retry_wait;
  t.attempt = 2;
  t.reason = "checksum_mismatch";
  t.from_version = "1.0";
  t.updated = WallTime{11'000ms};
  t.offered = WallTime{12'000ms};
  t.confirm_by = WallTime{13'000ms};
  t.state_due = 14'000ms;
  t.retry_due = 15'000ms;
  t.stalls = 1;
  t.heard = true;
  t.parked = true;
  t.chunks_have = 16;
  t.bytes_sent = 1ull << 40;
  t.percent = 50;
  t.detail = "no space";
  t.confirmed = true;
  t.wait_reason = WaitReason::uplink;
  t.slot_uplink = "mast";
  unit.put(t);
  EXPECT_EQ(unit.task(t.id.number)->percent, 50) << "as it will be";
  unit.flush();
  const auto back = tasks.find(t.id.number).value();
  EXPECT_EQ(back.id, t.id);
  EXPECT_EQ(back.device, t.device);
  EXPECT_EQ(back.firmware_id, 7);
  EXPECT_EQ(back.version, t.version);
  EXPECT_EQ(back.hardware, t.hardware);
  EXPECT_EQ(back.checksum, t.checksum);
  EXPECT_EQ(back.size, t.size);
  EXPECT_EQ(back.priority, Priority::low);
  EXPECT_EQ(back.state, TaskState::retry_wait);
  EXPECT_EQ(back.attempt, 2);
  EXPECT_EQ(back.confirm, Confirm::always);
  EXPECT_TRUE(back.force && back.heard && back.parked && back.confirmed);
  EXPECT_EQ(back.detail, "no space");
  EXPECT_EQ(back.downgrade, t.downgrade);
  EXPECT_EQ(back.reason, t.reason);
  EXPECT_EQ(back.from_version, "1.0");
  EXPECT_EQ(back.created_by, "alice");
  EXPECT_EQ(back.retry_of, 3);
  EXPECT_EQ(back.created, t.created);
  EXPECT_EQ(back.updated, t.updated);
  EXPECT_EQ(back.offered, t.offered);
  EXPECT_FALSE(back.ended);
  EXPECT_EQ(back.not_before, t.not_before);
  EXPECT_EQ(back.expires_at, t.expires_at);
  EXPECT_EQ(back.confirm_by, t.confirm_by);
  EXPECT_EQ(back.queued_at_tl, t.queued_at_tl);
  EXPECT_EQ(back.wait_due, t.wait_due);
  EXPECT_EQ(back.expiry_due, t.expiry_due);
  EXPECT_EQ(back.state_due, t.state_due);
  EXPECT_EQ(back.retry_due, t.retry_due);
  EXPECT_EQ(back.stalls, 1);
  EXPECT_EQ(back.chunks_have, 16u);
  EXPECT_EQ(back.bytes_sent, t.bytes_sent);
  EXPECT_EQ(back.percent, 50);
  EXPECT_EQ(back.wait_reason, WaitReason::uplink);
  EXPECT_EQ(back.slot_uplink, "mast");
}

TEST_P(TaskRows, ReadyTasksByPriorityAndAge) {
  for (const auto* id : {"a", "b", "c", "d"}) device(id);
  const auto low = make("a", Priority::low);
  const auto normal = make("b");
  const auto younger = make("c");
  const auto security = make("d", Priority::security);
  for (const auto& task : {low, normal, younger}) set_ready(task, true);
  auto heads = tasks.ready_heads();
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_EQ(heads[0].id, normal.id);
  EXPECT_EQ(heads[1].id, low.id);
  set_ready(security, true);
  EXPECT_EQ(tasks.ready_heads()[0].id, security.id);
  EXPECT_EQ(tasks.ready_before(low, 100), 3);
  EXPECT_EQ(tasks.ready_before(low, 2), 2);
  EXPECT_EQ(tasks.ready_of("c"), younger.id.number);
  set_ready(younger, false);
  EXPECT_FALSE(tasks.ready_of("c"));
  EXPECT_EQ(tasks.ready_before(low, 100), 2);
}

TEST_P(TaskRows, TheOldestInTheQueueAndTheOldestThatIsReady) {
  EXPECT_FALSE(tasks.oldest_queued(false));
  EXPECT_FALSE(tasks.oldest_queued(true));
  Millis age{0};
  for (const auto* id : {"a", "b", "c"}) {
    device(id);
    Task task;
    task.device = id;
    task.size = task.chunk_bytes = 512;
    task.priority = *id == 'b' ? Priority::low : Priority::normal;
    task.created = WallTime{age += 100ms};
    task.unasked = *id == 'c';
    unit.insert(task);
    unit.flush();
    if (*id != 'a') set_ready(task, true);
  }
  EXPECT_EQ(tasks.oldest_queued(false), WallTime{100ms});
  EXPECT_EQ(tasks.oldest_queued(true), WallTime{200ms});
}

TEST_P(TaskRows, WhatNobodyAskedForComesLastAndGivesWayFirst) {
  for (const auto* id : {"a", "b", "c"}) device(id);
  auto unasked = make("a", Priority::high);
  unasked.unasked = true;
  put(unasked, TaskState::queued);
  EXPECT_TRUE(tasks.find(unasked.id.number)->unasked);
  set_ready(unasked, true);
  ASSERT_EQ(tasks.ready_heads().size(), 1u);
  EXPECT_EQ(tasks.ready_heads()[0].id, unasked.id);
  auto low = make("b", Priority::low);
  set_ready(low, true);
  ASSERT_EQ(tasks.ready_heads().size(), 1u);
  EXPECT_EQ(tasks.ready_heads()[0].id, low.id);
  EXPECT_EQ(tasks.ready_before(unasked, 100), 1);
  EXPECT_EQ(tasks.ready_before(low, 100), 0);
  put(low, TaskState::downloading);
  EXPECT_FALSE(tasks.unasked_holds_slot());
  put(unasked, TaskState::downloading);
  EXPECT_TRUE(tasks.unasked_holds_slot());
  EXPECT_EQ(tasks.lowest_routine_holder()->id, unasked.id);
  EXPECT_FALSE(tasks.asked_by_others("a"));
  EXPECT_TRUE(tasks.asked_by_others("b"));
  EXPECT_FALSE(tasks.asked_by_others("c"));
  unit.remove_tasks_of("a");
  EXPECT_FALSE(tasks.find(unasked.id.number));
  EXPECT_TRUE(tasks.find(low.id.number));
}

TEST_P(TaskRows, SlotsAndTheirLowestHolder) {
  auto a = make("a", Priority::high);
  auto b = make("b", Priority::normal);
  auto c = make("c", Priority::normal);
  auto s = make("d", Priority::security);
  EXPECT_FALSE(tasks.lowest_routine_holder());
  put(s, TaskState::downloading);
  EXPECT_FALSE(tasks.lowest_routine_holder());
  put(a, TaskState::offered);
  put(b, TaskState::downloading);
  put(c, TaskState::retry_wait);
  EXPECT_EQ(unit.queue().slots_held(), 4);
  EXPECT_EQ(tasks.lowest_routine_holder()->id, c.id) << "youngest of the lowest";
  put(c, TaskState::installing);
  EXPECT_EQ(unit.queue().slots_held(), 3);
  EXPECT_EQ(tasks.all_active().size(), 4u);
}

TEST_P(TaskRows, ADeviceHasOneActiveTaskAtMost) {
  auto a = make("a");
  auto b = make("a", Priority::normal, "2.0");
  put(a, TaskState::offered);
  EXPECT_EQ(tasks.active_of("a")->id, a.id);
  b.state = TaskState::downloading;
  unit.put(b);
  EXPECT_THROW(unit.flush(), Fault) << "the database itself refuses a second";
}

TEST_P(TaskRows, DueTasksSoonestFirst) {
  auto a = make("a");
  auto b = make("b");
  auto c = make("c");
  EXPECT_FALSE(tasks.next_due());
  a.state_due = 300ms;
  b.expiry_due = 100ms;
  b.state_due = 900ms;
  c.wait_due = 200ms;
  for (auto* t : {&a, &b, &c}) put(*t);
  EXPECT_EQ(tasks.next_due(), 100ms);
  const auto due = tasks.due(200ms, 10);
  ASSERT_EQ(due.size(), 2u);
  EXPECT_EQ(due[0].id, b.id);
  EXPECT_EQ(due[1].id, c.id);
  put(b, TaskState::expired);
  EXPECT_EQ(tasks.next_due(), 200ms) << "an ended task has no timer";
}

TEST_P(TaskRows, ListsAreFilteredAndPaged) {
  for (int i = 0; i < 10; ++i) {
    auto t = make(i % 2 ? "odd" : "even", Priority::normal, i < 5 ? "1.0" : "2.0");
    if (i == 9) put(t, TaskState::failed);
  }
  EXPECT_EQ(tasks.list({}, 100).rows.size(), 10u);
  const auto first = tasks.list({}, 3);
  EXPECT_EQ(first.rows.front().id.number, 10);
  EXPECT_EQ(tasks.list({}, 3, first.next).rows.front().id.number, 7);
  const auto found = [&](std::initializer_list<const char*> conditions) {
    const auto selection = tasks_where(conditions);
    const auto rows = tasks.list(selection, 100).rows.size();
    EXPECT_EQ(tasks.count(selection), static_cast<std::int64_t>(rows));
    return rows;
  };
  EXPECT_EQ(found({"state=queued"}), 9u);
  EXPECT_EQ(found({"state=failed", "id=odd", "version=2.0"}), 1u);
  EXPECT_EQ(found({"id=even"}), 5u);
  EXPECT_EQ(found({"version=1.0"}), 5u);
  EXPECT_EQ(found({"id=even", "version=1.0"}), 3u);
}

}  // namespace
}  // namespace ota::storage
