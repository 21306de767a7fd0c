// The contract of every backend: rollouts, their members and counters, channels, and the fleet over time.
#include <gmock/gmock.h>

#include <random>

#include "ota/storage/fault.hpp"
#include "ota/storage/fleet.hpp"
#include "ota/storage/rollouts.hpp"
#include "unit/storage/store.hpp"

namespace ota::storage {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

class RolloutRows : public Contract {
 protected:
  Rollout rollout(const std::string& channel = "default", RolloutState state = RolloutState::running) {
    Rollout made;
    made.id.day = 20261126;
    made.spec.channel = channel;
    made.spec.version = "2.0";
    made.spec.stages.resize(2);
    made.state = state;
    rollouts.insert(made);
    return made;
  }
  Task member(const Rollout& of, const std::string& device, WallTime at = WallTime{1s}) {
    Task task;
    task.id.day = 20261126;
    task.device = device;
    task.version = "2.0";
    task.from_version = "1.0";
    task.size = 4'096;
    task.chunk_bytes = 512;
    task.rollout = of.id.number;
    task.created = task.updated = task.bucket_since = at;
    unit.insert(task);
    unit.flush();
    return task;
  }
  void end(Task& task, const std::string& reason, bool past_gate, WallTime at) {
    task.state = TaskState::failed;
    task.reason = reason;
    if (past_gate) task.passed_tl = 1ms;
    task.updated = task.bucket_since = at;
    put(task);
  }
  std::vector<std::string> names(const std::vector<Task>& tasks_found) {
    std::vector<std::string> found;
    for (const auto& task : tasks_found) found.push_back(task.device);
    return found;
  }

  Rollouts rollouts{*db};
  Fleet fleet{*db};
};
INSTANTIATE_TEST_SUITE_P(, RolloutRows, ::testing::Values(sqlite_on_disk()), name_of_kind);

TEST_P(RolloutRows, ARolloutComesBackWhole) {
  Rollout made;
  made.id.day = 20261126;
  auto& spec = made.spec;
  spec.channel = "stable";
  spec.version = "2.0";
  spec.stages.resize(3);
  spec.stages[0].to = {Share::Kind::canary, 0};
  spec.stages[1] = {{Share::Kind::percent, 1'050}, {{"site", "lab"}, {"rack", ""}}, 60, true, 8, WallTime{1s}, {}, true};
  spec.max_failures = {Share::Kind::count, 7};
  spec.max_soaking = 9;
  spec.only_from = {"1.0", "1.1"};
  spec.where = {"tag.site=berlin", "id~gw"};
  spec.priority = Priority::high;
  spec.not_before = WallTime{5s};
  spec.expires_at = WallTime{9s};
  spec.ignore_window = spec.force = true;
  spec.notes = "x";
  made.hardware = "gw-a";
  made.firmware_id = 4;
  made.replaces = "1.0";
  made.replaces_rollout = 3;
  made.created_by = "anna";
  made.created = WallTime{1s};
  rollouts.insert(made);
  made.state = RolloutState::halted;
  made.before_halt = RolloutState::paused;
  made.reason = "budget_spent";
  made.stage = 1;
  made.total = 800;
  made.budget = 8;
  made.passed_tl = 5ms;
  rollouts.update(made);
  const auto back = rollouts.find(made.id.number).value();
  EXPECT_EQ(back.id, made.id);
  EXPECT_EQ(back.spec.stages.size(), 3u);
  EXPECT_EQ(back.spec.stages[1].tags, spec.stages[1].tags);
  EXPECT_EQ(back.spec.stages[1].to, spec.stages[1].to);
  EXPECT_EQ(back.spec.stages[1].delay_s, 60);
  EXPECT_TRUE(back.spec.stages[1].approve && back.spec.stages[1].skipped);
  EXPECT_EQ(back.spec.stages[1].opened_at, WallTime{1s});
  EXPECT_EQ(back.spec.max_failures, spec.max_failures);
  EXPECT_EQ(back.spec.max_soaking, 9);
  EXPECT_EQ(back.spec.only_from, spec.only_from);
  EXPECT_EQ(back.spec.where, spec.where);
  EXPECT_EQ(back.spec.expires_at, spec.expires_at);
  EXPECT_TRUE(back.spec.ignore_window && back.spec.force);
  EXPECT_EQ(back.replaces_rollout, 3);
  EXPECT_EQ(back.state, RolloutState::halted);
  EXPECT_EQ(back.before_halt, RolloutState::paused);
  EXPECT_EQ(back.reason, "budget_spent");
  EXPECT_EQ(back.passed_tl, 5ms);
  EXPECT_FALSE(rollouts.find(made.id.number + 1));
}

TEST_P(RolloutRows, OneIsOpenForAChannelAndHardware) {
  const auto first = rollout();
  EXPECT_THROW(rollout(), Fault);
  const auto other = rollout("beta");
  auto ended = first;
  ended.state = RolloutState::cancelled;
  rollouts.update(ended);
  const auto next = rollout();
  const auto ids = [&](const RolloutFilter& filter, std::int64_t before = 0) {
    std::vector<std::int64_t> found;
    for (const auto& one : rollouts.list(filter, before, 10)) found.push_back(one.id.number);
    return found;
  };
  EXPECT_THAT(ids({}), ElementsAre(next.id.number, other.id.number, first.id.number));
  EXPECT_THAT(ids({}, other.id.number), ElementsAre(first.id.number));
  EXPECT_THAT(ids({"default", {}}), ElementsAre(next.id.number, first.id.number));
  EXPECT_THAT(ids({"default", {RolloutState::cancelled}}), ElementsAre(first.id.number));
  EXPECT_THAT(ids({{}, {RolloutState::running, RolloutState::paused}}), ElementsAre(next.id.number, other.id.number));
  EXPECT_EQ(rollouts.living().size(), 2u);
}

TEST_P(RolloutRows, CountersEqualARecountAfterRandomChanges) {
  std::mt19937 dice{7};
  const std::vector<Rollout> all{rollout(), rollout("beta")};
  std::vector<Task> known;
  const TaskState states[] = {TaskState::queued,     TaskState::downloading, TaskState::staged, TaskState::installing,
                              TaskState::succeeded, TaskState::failed,      TaskState::cancelled};
  for (int step = 0; step < 1'500; ++step) {
    if (known.size() < 40 || dice() % 10 == 0) {
      const auto& of = all[dice() % 2];
      known.push_back(member(of, "gw-" + std::to_string(step)));
      continue;
    }
    const auto at = dice() % known.size();
    auto& task = known[at];
    if (dice() % 20 == 0) {
      unit.remove_task(task.id.number);
      unit.flush();
      known.erase(known.begin() + static_cast<std::ptrdiff_t>(at));
      continue;
    }
    task.state = states[dice() % std::size(states)];
    task.passed_tl = dice() % 2 ? std::optional{1ms} : std::nullopt;
    task.parked = dice() % 3 == 0;
    task.overdue = dice() % 3 == 0;
    task.contact = static_cast<ContactClass>(dice() % kContactClasses);
    task.from_version = dice() % 2 ? "1.0" : "1.1";
    unit.put(task);
    if (dice() % 3 == 0) unit.flush();
  }
  unit.flush();
  std::int64_t counted = 0;
  for (const auto& of : all) {
    const auto counts = rollouts.counts(of.id.number);
    for (const auto n : counts.all()) counted += n;
  }
  EXPECT_EQ(counted, static_cast<std::int64_t>(known.size()));
  EXPECT_EQ(rollouts.recount(), 0);
}

TEST_P(RolloutRows, MembersOfABucketLongestThereFirst) {
  const auto of = rollout();
  auto a = member(of, "gw-a");
  auto b = member(of, "gw-b");
  auto c = member(of, "gw-c");
  auto d = member(of, "gw-d");
  end(b, "silent", true, WallTime{20s});
  end(a, "rolled_back", true, WallTime{30s});
  end(c, "rolled_back", true, WallTime{30s});
  end(d, "checksum_mismatch", false, WallTime{40s});
  const auto in = [&](Bucket bucket, const std::string& reason = {}, Rollouts::MembersFrom after = {}) {
    return names(rollouts.members(of.id.number, bucket, reason, after, 10));
  };
  EXPECT_THAT(in(Bucket::failed), ElementsAre("gw-b", "gw-a", "gw-c"));
  EXPECT_THAT(in(Bucket::failed, "rolled_back"), ElementsAre("gw-a", "gw-c"));
  EXPECT_THAT(in(Bucket::undelivered), ElementsAre("gw-d"));
  const auto second = rollouts.members(of.id.number, Bucket::failed, {}, {}, 2).back();
  EXPECT_THAT(in(Bucket::failed, {}, {second.bucket_since, second.id.number}), ElementsAre("gw-c"));
  EXPECT_THAT(names(rollouts.report(of.id.number, a.id.number, 2)), ElementsAre("gw-b", "gw-c"));

  const auto failures = rollouts.failures(of.id.number, 2);
  ASSERT_EQ(failures.size(), 2u);
  EXPECT_EQ(failures[0].reason, "rolled_back");
  EXPECT_EQ(failures[0].count, 2);
  EXPECT_THAT(failures[0].devices, testing::UnorderedElementsAre("gw-a", "gw-c"));
  EXPECT_EQ(failures[1].reason, "checksum_mismatch");
}

TEST_P(RolloutRows, HealthyMembersThatFellSilent) {
  const auto of = rollout();
  const auto add = [&](const std::string& id, WallTime seen, bool healthy) {
    Device d;
    d.id = id;
    d.last_seen = seen;
    put(d);
    auto task = member(of, id);
    task.passed_tl = 1ms;
    put(task, healthy ? TaskState::succeeded : TaskState::installing);
  };
  add("gw-1", WallTime{100s}, true);
  add("gw-2", WallTime{200s}, true);
  add("gw-3", WallTime{100s}, false);
  add("gw-4", WallTime{150s}, true);
  EXPECT_EQ(rollouts.silent_since(of.id.number, WallTime{50s}, WallTime{200s}, 10), 2);
  EXPECT_EQ(rollouts.silent_since(of.id.number, WallTime{50s}, WallTime{200s}, 1), 1) << "counted up to there";
  EXPECT_EQ(rollouts.silent_since(of.id.number, WallTime{120s}, WallTime{201s}, 10), 2);
}

TEST_P(RolloutRows, PointsOfARollout) {
  const auto of = rollout();
  for (int second = 0; second < 10; ++second) {
    BucketCounts counts{};
    at(counts, Bucket::healthy) = second;
    at(counts, Bucket::dropped) = 100;
    rollouts.add_point(of.id.number, {WallTime{1000s + std::chrono::seconds{second}}, counts});
  }
  const auto healthy = [&](WallTime after, Millis step, int limit = 100) {
    std::vector<std::int64_t> found;
    for (const auto& point : rollouts.points(of.id.number, after, step, limit)) {
      EXPECT_EQ(at(point.counts, Bucket::dropped), 100);
      found.push_back(at(point.counts, Bucket::healthy));
    }
    return found;
  };
  EXPECT_EQ(healthy({}, 1ms).size(), 10u);
  EXPECT_THAT(healthy({}, 5s), ElementsAre(4, 9));
  EXPECT_THAT(healthy({}, 5s, 1), ElementsAre(4));
  EXPECT_THAT(healthy(WallTime{1004s}, 5s), ElementsAre(9));
  EXPECT_FALSE(rollouts.point_before(of.id.number, WallTime{999s}));
  EXPECT_EQ(at(rollouts.point_before(of.id.number, WallTime{1003'500ms})->counts, Bucket::healthy), 3);
}

TEST_P(RolloutRows, PointsOfRolloutsThatEndedLongAgoGo) {
  auto over = rollout();
  over.state = RolloutState::cancelled;
  over.ended = WallTime{1000s};
  rollouts.update(over);
  const auto goes_on = rollout();
  for (const auto& of : {over, goes_on})
    for (int second = 0; second < 3; ++second) rollouts.add_point(of.id.number, {WallTime{std::chrono::seconds{second}}, {}});
  const auto left = [&](const Rollout& of) { return rollouts.points(of.id.number, WallTime{-1s}, 1ms, 10).size(); };
  rollouts.prune_points(WallTime{1000s}, 10);
  EXPECT_EQ(left(over), 3u);
  rollouts.prune_points(WallTime{1001s}, 2);
  EXPECT_EQ(left(over), 1u) << "so many at once";
  rollouts.prune_points(WallTime{1001s}, 2);
  EXPECT_EQ(left(over), 0u);
  EXPECT_EQ(left(goes_on), 3u);
}

TEST_P(RolloutRows, ChannelsAndTargets) {
  EXPECT_TRUE(fleet.channel("default"));
  Channel channel{"stable", windows_from_text("sat 23:00-04:00 Europe/Berlin").value(), true, "n"};
  fleet.put(channel);
  const auto back = fleet.channel("stable").value();
  EXPECT_EQ(back.windows, channel.windows);
  EXPECT_TRUE(back.approval);
  EXPECT_EQ(back.notes, "n");
  EXPECT_EQ(fleet.channels().size(), 2u);
  fleet.put(Target{"stable", "gw-a", "1.0", 1});
  fleet.put(Target{"stable", "gw-a", "2.0", 2});
  fleet.put(Target{"stable", "", "1.0", 3});
  ASSERT_EQ(fleet.targets().size(), 2u);
  EXPECT_EQ(fleet.targets()[1].version, "2.0");
  EXPECT_TRUE(fleet.remove_target("stable", ""));
  EXPECT_FALSE(fleet.remove_target("stable", ""));
  EXPECT_FALSE(fleet.has_devices("stable"));
  Device d;
  d.id = "gw-1";
  d.channel = "stable";
  put(d);
  EXPECT_TRUE(fleet.has_devices("stable"));
  fleet.remove_channel("stable");
  EXPECT_FALSE(fleet.channel("stable"));
  EXPECT_TRUE(fleet.targets().empty());
}

TEST_P(RolloutRows, PointsOfTheFleet) {
  fleet.add_point({"a", "gw", "1", WallTime{1h}, 5});
  fleet.add_point({"a", "gw", "1", WallTime{2h}, 4});
  fleet.add_point({"a", "gw", "1", WallTime{2h}, 3});
  fleet.add_point({"a", "gw", "2", WallTime{2h}, 1});
  fleet.add_point({"b", "", "", WallTime{3h}, 7});
  const auto text = [](const std::vector<Fleet::Point>& points) {
    std::vector<std::string> found;
    for (const auto& p : points) found.push_back(p.channel + p.hardware + p.version + " " + std::to_string(p.devices));
    return found;
  };
  EXPECT_THAT(text(fleet.points({}, {}, {}, 1ms, 10)), ElementsAre("agw1 5", "agw1 3", "agw2 1", "b 7"));
  EXPECT_THAT(text(fleet.points({}, {}, {}, 24h, 10)), ElementsAre("agw1 3", "agw2 1", "b 7"));
  EXPECT_THAT(text(fleet.points("a", "gw", WallTime{2h}, 1ms, 10)), ElementsAre("agw1 3", "agw2 1"));
  EXPECT_THAT(text(fleet.points({}, "", {}, 1ms, 10)), ElementsAre("b 7"));
  EXPECT_THAT(text(fleet.last_points(10)), ElementsAre("agw1 3", "agw2 1", "b 7"));
  EXPECT_THAT(text(fleet.last_points(10, WallTime{2h})), ElementsAre("agw1 5"));
  EXPECT_EQ(fleet.last_points(1).size(), 1u);
  fleet.prune_points(WallTime{2h}, 10);
  EXPECT_THAT(text(fleet.points({}, {}, {}, 1ms, 10)), ElementsAre("agw1 3", "agw2 1", "b 7"));
}

}  // namespace
}  // namespace ota::storage
