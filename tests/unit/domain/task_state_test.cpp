#include "ota/domain/task_state.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace ota {
namespace {

constexpr Cause kCauses[] = {Cause::engine, Cause::device, Cause::operator_, Cause::timer};

// Written out a second time, by hand, from the rules: the table must say this and nothing else.
using Key = std::tuple<std::string_view, std::string_view, std::string_view>;
const std::map<Key, std::string_view> kExpected = {
    {{"queued", "grant", "engine"}, "offered"},
    {{"queued", "image_right", "device"}, "succeeded"},
    {{"queued", "image_right_hold", "device"}, "installing"},
    {{"queued", "confirmed", "device"}, "succeeded"},
    {{"queued", "wrong_hardware", "engine"}, "failed"},
    {{"queued", "cancel", "operator"}, "cancelled"},
    {{"queued", "supersede", "engine"}, "cancelled"},
    {{"queued", "expire", "timer"}, "expired"},
    {{"queued", "damage", "engine"}, "failed"},
    {{"offered", "chunk", "device"}, "downloading"},
    {{"offered", "image_right", "device"}, "succeeded"},
    {{"offered", "image_right_hold", "device"}, "installing"},
    {{"offered", "attempt_spent", "device"}, "retry_wait"},
    {{"offered", "attempts_used_up", "device"}, "failed"},
    {{"offered", "offer_timeout", "timer"}, "queued"},
    {{"offered", "preempt", "engine"}, "queued"},
    {{"offered", "confirmed", "device"}, "succeeded"},
    {{"offered", "wrong_hardware", "engine"}, "failed"},
    {{"offered", "supersede", "engine"}, "cancelled"},
    {{"offered", "withdraw", "engine"}, "queued"},
    {{"offered", "cancel", "operator"}, "cancelled"},
    {{"offered", "expire", "timer"}, "expired"},
    {{"offered", "damage", "engine"}, "failed"},
    {{"downloading", "chunk", "device"}, "downloading"},
    {{"downloading", "image_right", "device"}, "succeeded"},
    {{"downloading", "image_right_hold", "device"}, "installing"},
    {{"downloading", "attempt_spent", "device"}, "retry_wait"},
    {{"downloading", "attempt_spent", "timer"}, "retry_wait"},
    {{"downloading", "attempts_used_up", "device"}, "failed"},
    {{"downloading", "attempts_used_up", "timer"}, "failed"},
    {{"downloading", "silence", "timer"}, "queued"},
    {{"downloading", "preempt", "engine"}, "queued"},
    {{"downloading", "confirmed", "device"}, "succeeded"},
    {{"downloading", "wrong_hardware", "engine"}, "failed"},
    {{"downloading", "supersede", "engine"}, "cancelled"},
    {{"downloading", "withdraw", "engine"}, "queued"},
    {{"downloading", "cancel", "operator"}, "cancelled"},
    {{"downloading", "expire", "timer"}, "expired"},
    {{"downloading", "damage", "engine"}, "failed"},
    {{"retry_wait", "chunk", "device"}, "downloading"},
    {{"retry_wait", "image_right", "device"}, "succeeded"},
    {{"retry_wait", "image_right_hold", "device"}, "installing"},
    {{"retry_wait", "attempt_spent", "device"}, "retry_wait"},
    {{"retry_wait", "attempt_spent", "timer"}, "retry_wait"},
    {{"retry_wait", "attempts_used_up", "device"}, "failed"},
    {{"retry_wait", "attempts_used_up", "timer"}, "failed"},
    {{"retry_wait", "silence", "timer"}, "queued"},
    {{"retry_wait", "preempt", "engine"}, "queued"},
    {{"retry_wait", "confirmed", "device"}, "succeeded"},
    {{"retry_wait", "wrong_hardware", "engine"}, "failed"},
    {{"retry_wait", "supersede", "engine"}, "cancelled"},
    {{"retry_wait", "withdraw", "engine"}, "queued"},
    {{"retry_wait", "cancel", "operator"}, "cancelled"},
    {{"retry_wait", "expire", "timer"}, "expired"},
    {{"retry_wait", "damage", "engine"}, "failed"},
    {{"installing", "confirmed", "device"}, "succeeded"},
    {{"installing", "attempt_spent", "device"}, "queued"},
    {{"installing", "attempts_used_up", "device"}, "failed"},
    {{"installing", "rolled_back", "device"}, "failed"},
    {{"installing", "install_failed", "device"}, "failed"},
    {{"installing", "other_version", "device"}, "failed"},
    {{"installing", "cancel", "operator"}, "cancelled"},
    {{"installing", "supersede", "engine"}, "cancelled"},
    {{"installing", "wrong_hardware", "engine"}, "failed"},
    {{"installing", "confirm_timeout", "timer"}, "failed"},
    {{"succeeded", "confirmed", "device"}, "succeeded"},
    {{"succeeded", "rolled_back", "device"}, "failed"},
    {{"succeeded", "install_failed", "device"}, "failed"},
    {{"succeeded", "other_version", "device"}, "failed"},
    {{"failed", "confirmed", "device"}, "succeeded"},
    {{"failed", "rolled_back", "device"}, "failed"},
    {{"failed", "install_failed", "device"}, "failed"},
    {{"queued", "image_staged", "device"}, "staged"},
    {{"offered", "image_staged", "device"}, "staged"},
    {{"downloading", "image_staged", "device"}, "staged"},
    {{"retry_wait", "image_staged", "device"}, "staged"},
    {{"staged", "image_right_hold", "device"}, "installing"},
    {{"staged", "release", "engine"}, "installing"},
    {{"staged", "attempt_spent", "device"}, "queued"},
    {{"staged", "attempts_used_up", "device"}, "failed"},
    {{"staged", "preempt", "engine"}, "queued"},
    {{"staged", "confirmed", "device"}, "succeeded"},
    {{"staged", "supersede", "engine"}, "cancelled"},
    {{"staged", "wrong_hardware", "engine"}, "failed"},
    {{"staged", "cancel", "operator"}, "cancelled"},
    {{"staged", "expire", "timer"}, "expired"},
    {{"installing", "postpone", "device"}, "staged"},
    {{"installing", "device_lost", "timer"}, "failed"},
    {{"failed", "other_version", "device"}, "failed"},
};

struct Cell {
  TaskState from;
  TaskEvent event;
  Cause by;
};

std::vector<Cell> every_cell() {
  std::vector<Cell> cells;
  for (std::size_t s = 0; s < kTaskStates; ++s)
    for (std::size_t e = 0; e < kTaskEvents; ++e)
      for (auto by : kCauses) cells.push_back({static_cast<TaskState>(s), static_cast<TaskEvent>(e), by});
  return cells;
}

class StateTable : public ::testing::TestWithParam<Cell> {};

TEST_P(StateTable, LeadsWhereTheRulesSayOrRefuses) {
  const auto [from, event, by] = GetParam();
  const auto expected = kExpected.find({to_string(from), to_string(event), to_string(by)});
  const auto next = next_state(from, event, by);
  if (expected == kExpected.end())
    EXPECT_FALSE(next) << "leads to " << to_string(*next);
  else
    EXPECT_EQ(to_string(next.value()), expected->second);
}

INSTANTIATE_TEST_SUITE_P(Every, StateTable, ::testing::ValuesIn(every_cell()), [](const auto& cell) {
  return std::string(to_string(cell.param.from)) + "_" + std::string(to_string(cell.param.event)) + "_by_" +
         std::string(to_string(cell.param.by));
});

TEST(StateTableWhole, HasNoRowTwice) {
  std::set<std::tuple<TaskState, TaskEvent, Cause>> seen;
  for (const auto& row : transitions())
    EXPECT_TRUE(seen.emplace(row.from, row.event, row.by).second)
        << to_string(row.from) << " " << to_string(row.event) << " " << to_string(row.by);
  EXPECT_EQ(seen.size(), kExpected.size());
}

TEST(StateTableWhole, AnEndIsLeftByTheDeviceAloneAndForAnotherEnd) {
  for (const auto& row : transitions()) {
    if (!is_ended(row.from)) continue;
    EXPECT_EQ(row.by, Cause::device) << to_string(row.from);
    EXPECT_TRUE(is_ended(row.to)) << to_string(row.from);
  }
}

TEST(StateTableWhole, ReachesEveryStateFromQueued) {
  std::set<TaskState> reached{TaskState::queued};
  for (std::size_t i = 0; i < kTaskStates; ++i)
    for (const auto& row : transitions())
      if (reached.contains(row.from)) reached.insert(row.to);
  EXPECT_EQ(reached.size(), kTaskStates);
}

TEST(StateTableWhole, OpenStatesAllLeadToAnEnd) {
  for (std::size_t s = 0; s < kTaskStates; ++s) {
    const auto state = static_cast<TaskState>(s);
    if (is_ended(state)) continue;
    bool ends = false;
    for (const auto& row : transitions()) ends |= row.from == state && is_ended(row.to);
    EXPECT_TRUE(ends) << to_string(state);
  }
}

TEST(StateWords, GoThereAndBack) {
  for (std::size_t s = 0; s < kTaskStates; ++s) {
    const auto state = static_cast<TaskState>(s);
    EXPECT_EQ(parse_task_state(to_string(state)), state);
  }
  EXPECT_FALSE(parse_task_state("done"));
  EXPECT_FALSE(parse_task_state(""));
}

TEST(StateKinds, SlotsAndDevices) {
  EXPECT_FALSE(holds_slot(TaskState::queued));
  EXPECT_TRUE(holds_slot(TaskState::offered));
  EXPECT_TRUE(holds_slot(TaskState::downloading));
  EXPECT_TRUE(holds_slot(TaskState::retry_wait));
  EXPECT_FALSE(holds_slot(TaskState::installing));
  EXPECT_TRUE(is_active(TaskState::installing));
  EXPECT_FALSE(is_active(TaskState::queued));
  for (auto ended : {TaskState::succeeded, TaskState::failed, TaskState::cancelled, TaskState::expired}) {
    EXPECT_TRUE(is_ended(ended));
    EXPECT_FALSE(is_active(ended));
  }
}

TEST(TaskStates, AreOpenOrEnded) {
  for (std::size_t i = 0; i < kTaskStates; ++i) {
    const auto state = static_cast<TaskState>(i);
    EXPECT_NE(kOpen.contains(state), kEnded.contains(state)) << to_string(state);
    EXPECT_TRUE(kOpen.contains(state) || !kActive.contains(state)) << to_string(state);
    EXPECT_TRUE(kOpen.contains(state) || !kUnverified.contains(state)) << to_string(state);
    EXPECT_TRUE(kActive.contains(state) || !kHoldsSlot.contains(state)) << to_string(state);
  }
}

}  // namespace
}  // namespace ota
