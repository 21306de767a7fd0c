// The contract of every backend: actions of devices that only poll.
#include "ota/storage/actions.hpp"
#include "unit/storage/store.hpp"

namespace ota::storage {
namespace {

class ActionRows : public Contract {
 protected:
  Action add(const Task& task, ActionState state = ActionState::open, int attempt = 1) {
    Action action;
    action.task = task.id.number;
    action.attempt = attempt;
    action.device = task.device;
    action.state = state;
    EXPECT_TRUE(actions.insert(action));
    return action;
  }
  Actions actions{*db};
};
INSTANTIATE_TEST_SUITE_P(, ActionRows, ::testing::Values(sqlite_on_disk()), name_of_kind);

TEST_P(ActionRows, IdsAreReadableAndNeverGivenOutTwice) {
  const auto task = make("gw-1");
  EXPECT_EQ(add(task).id, 11);
  for (int i = 0; i < 8; ++i) add(task);
  EXPECT_EQ(add(task).id, 21) << "20 is passed over";
  unit.remove_task(task.id.number);
  EXPECT_FALSE(actions.find(21)) << "it goes with its task";
  EXPECT_EQ(add(make("gw-1")).id, 22);
}

TEST_P(ActionRows, WhatIsKept) {
  const auto task = make("gw-1");
  auto action = add(task, ActionState::open, 2);
  action.state = ActionState::cancelling;
  action.reports = 7;
  actions.update(action);
  const auto back = actions.find(action.id).value();
  EXPECT_EQ(back.task, task.id.number);
  EXPECT_EQ(back.attempt, 2);
  EXPECT_EQ(back.device, "gw-1");
  EXPECT_EQ(back.state, ActionState::cancelling);
  EXPECT_EQ(back.reports, 7);
  EXPECT_FALSE(actions.find(action.id + 1));
}

TEST_P(ActionRows, ByTaskAndByDevice) {
  const auto first = make("gw-1");
  const auto second = make("gw-1");
  const auto other = make("gw-2");
  EXPECT_FALSE(actions.last_of(first.id.number));
  EXPECT_FALSE(actions.last_finished("gw-1"));
  const auto finished = add(first, ActionState::finished);
  const auto refused = add(first, ActionState::refused);
  add(second, ActionState::closed);
  const auto open = add(second);
  add(other);
  EXPECT_EQ(actions.last_of(first.id.number)->id, refused.id);
  EXPECT_EQ(actions.last_of(second.id.number)->id, open.id);
  EXPECT_EQ(actions.last_finished("gw-1"), finished.id);
  const auto live = actions.live_of("gw-1", 10);
  ASSERT_EQ(live.size(), 2u);
  EXPECT_EQ(live[0].id, refused.id);
  EXPECT_EQ(live[1].id, open.id);
  EXPECT_EQ(actions.live_of("gw-1", 1).size(), 1u);
}

}  // namespace
}  // namespace ota::storage
