// Selections in SQL: the same answers as domain/selection.hpp, by an index, page after page; counters equal a recount.
#include <fmt/format.h>

#include <map>
#include <random>
#include <set>

#include "ota/domain/version.hpp"
#include "storage/selection_page.hpp"
#include "storage/sqlite_database.hpp"
#include "unit/storage/store.hpp"

namespace ota::storage {
namespace {

using namespace std::chrono_literals;

const std::vector<std::string> kVersions{"",      "1.0.0",   "v1.0.0", "1.0.0-rc.1", "1.0.0-rc.2", "1.0.1", "1.10.0",
                                         "1.9.0", "1.0.0-a_", "1.0",   "1.00.0",     "2026.1",     "r12",   "?? 3",
                                         "1.2.3+b", "2.0.0~rc"};
const std::vector<std::string> kWords{"", "north", "North-7", "south", "gw-a", "gw-b", "a%b", "x y"};

class SelectionTest : public ::testing::Test, protected Store {
 protected:
  SelectionTest() : Store(sqlite_on_disk()) {}

  std::size_t below(std::size_t count) { return random() % count; }
  const std::string& one_of(const std::vector<std::string>& from) { return from[below(from.size())]; }

  Device any_device(int number) {
    Device d;
    d.id = fmt::format("gw-{:02}", number);
    d.hardware = one_of({"", "gw-a", "gw-b", "GW-C"});
    d.channel = one_of({"default", "beta", "gw-a"});
    d.current_version = one_of(kVersions);
    d.quality.verdict = static_cast<LinkVerdict>(below(4));
    if (below(5) > 0) d.last_seen = WallTime{Millis{1'000 * below(10)}};
    d.poll = std::chrono::seconds{below(4)};
    for (const auto* key : {"site", "rack"})
      if (below(2) == 0) d.tags[key] = one_of(kWords);
    for (const auto* key : {"site", "soc.rev"})
      if (below(2) == 0) d.attributes[key] = one_of(kWords);
    return d;
  }

  void change_task(Task& task) {
    task.state = static_cast<TaskState>(below(kTaskStates));
    task.reason = one_of({"", "confirm_timeout", "rolled_back"});
    if (is_ended(task.state)) task.ended = WallTime{Millis{3'600'000 * below(4)}};
    if (is_active(task.state) && active.contains(task.device)) task.state = TaskState::queued;
    put(task);
    if (is_active(task.state)) active.insert(task.device);
  }

  void fill() {
    for (int i = 0; i < 60; ++i) put(any_device(i));
    for (int i = 0; i < 120; ++i) {
      Task task;
      task.id.day = 20261122;
      task.device = fmt::format("gw-{:02}", below(70));
      task.version = one_of({"1.0.0", "1.1.0", "1.1.0-rc.1", "2026.2"});
      task.size = task.chunk_bytes = 512;
      task.created = WallTime{Millis{1'000 * below(10)}};
      task.created_by = one_of({"ops", "anna", "device"});
      task.rollout = below(3) == 0 ? i : 0;
      unit.insert(task);
      change_task(task);
    }
  }

  std::string any_condition(Selects what) {
    static const std::vector<std::string> kOps{"=", "!=", "<", "<=", ">", ">=", "~"};
    const auto fields = selection_fields();
    const auto& field = fields[below(fields.size())];
    const auto* op = &one_of(kOps);
    std::string value;
    switch (field.as) {
      case Compared::text:
        value = one_of({"", "gw-07", "gw-a", "gw-?", "orth", "*7", "ops", "confirm_timeout", "north", "x y", "a%b"});
        break;
      case Compared::version:
        value = one_of({"unknown", "1.0.0", "1.0.0-rc.1", "1.0", "1.1.0", "2026.1", "1.0.0-a_", "1.*", "0"});
        break;
      case Compared::flag:
        value = one_of({"true", "false"});
        break;
      case Compared::time:
        value = one_of({"never", "1970-01-01T00:00:03Z", "1970-01-01T00:00:05Z", "1970-01-01T00:00:09Z"});
        break;
      case Compared::link:
        value = one_of({"unknown", "good", "poor"});
        break;
      case Compared::rollout:
        value = one_of({"none", "RO_20261126_000001", "RO_20261126_000002"});
        break;
      case Compared::state:
        value = below(4) == 0 ? "none" : std::string(to_string(static_cast<TaskState>(below(kTaskStates))));
        break;
    }
    const std::string name = std::string(field.name) + (field.keyed ? one_of({".site", ".soc.rev"}) : "");
    auto text = fmt::format("{} {} {}", name, *op, value);
    return parse_condition(text, what) ? text : any_condition(what);
  }

  Selection any_selection(Selects what, std::string& text) {
    Selection selection;
    selection.presence = {WallTime{8s}, Millis{3s}};
    for (auto n = below(4); n > 0; --n) {
      const auto condition = any_condition(what);
      selection.conditions.push_back(parse_condition(condition, what).value());
      text += condition + "; ";
    }
    const auto sorts = sort_fields(what);
    if (below(2) == 0) {
      const auto name = sorts[below(sorts.size())];
      for (const auto& field : selection_fields())
        if (field.name == name) selection.sort_by = &field;
      selection.descending = below(2) == 0;
      text += fmt::format("sort {}{}", selection.descending ? "-" : "", name);
    }
    return selection;
  }

  std::optional<TaskState> outcome_of(const std::string& device) {
    const auto last = tasks.list(tasks_where({("id=" + device).c_str()}), 1).rows;
    return last.empty() ? std::nullopt : std::optional{last.front().state};
  }

  std::map<std::string, std::int64_t> counters(const std::string& sql) {
    std::map<std::string, std::int64_t> found;
    SQLite::Statement rows(sqlite(*db).handle(), sql);
    while (rows.executeStep()) found[rows.getColumn(0).getString()] = rows.getColumn(1).getInt64();
    return found;
  }

  void expect_recount() {
    EXPECT_EQ(counters("SELECT minute || '|' || poll_s || '|' || channel || '|' || hardware, n FROM device_minutes"),
              counters("SELECT (COALESCE(last_seen, 0) / 60000) || '|' || poll_s || '|' || channel || '|' || hardware, "
                       "COUNT(*) FROM devices GROUP BY 1"));
    EXPECT_EQ(counters("SELECT state || '|' || version, n FROM task_counts"),
              counters("SELECT state || '|' || version, COUNT(*) FROM tasks GROUP BY 1"));
    EXPECT_EQ(counters("SELECT hour || '|' || reason, n FROM failure_counts"),
              counters("SELECT (COALESCE(ended, updated) / 3600000) || '|' || reason, COUNT(*) FROM tasks WHERE state=6 "
                       "GROUP BY 1"));
    EXPECT_EQ(counters("SELECT device || '|' || task, state FROM device_outcomes WHERE state>4 AND state<9"),
              counters("SELECT device || '|' || number, state FROM (SELECT device, MAX(number) AS number, state FROM "
                       "tasks GROUP BY device) WHERE state>4 AND state<9"));
  }

  std::mt19937 random{20261126};
  std::set<std::string> active;
};

/// All pages of a selection, each row once; `limit` rows a page.
template <class Row, class List, class Key>
std::vector<std::string> all_pages(List list, Key key, Selects what) {
  std::vector<std::string> found;
  std::optional<Place> at;
  do {
    auto page = list(at);
    for (const Row& row : page.rows) found.push_back(key(row));
    at = page.next ? Place::parse(page.next->str(), what) : std::nullopt;
    EXPECT_EQ(at.has_value(), page.next.has_value()) << page.next->str();
  } while (at && found.size() < 10'000);
  return found;
}

TEST_F(SelectionTest, SqlAgreesWithMatches) {
  fill();
  const auto all_devices = devices.list({}, 1'000).rows;
  const auto all_tasks = tasks.list({}, 1'000).rows;
  ASSERT_EQ(all_devices.size(), 60u);
  ASSERT_EQ(all_tasks.size(), 120u);
  std::map<std::string, const Device*> by_id;
  std::map<std::string, std::optional<TaskState>> outcomes;
  for (const auto& device : all_devices) by_id[device.id] = &device;
  for (const auto& device : all_devices) outcomes[device.id] = outcome_of(device.id);
  std::size_t matched = 0;
  for (int i = 0; i < 1'500; ++i) {
    std::string text;
    const bool of_tasks = i % 2 == 1;
    const auto what = of_tasks ? Selects::tasks : Selects::devices;
    const auto selection = any_selection(what, text);
    const auto limit = static_cast<int>(1 + below(25));
    std::multiset<std::string> expected;
    std::vector<std::string> found;
    if (of_tasks) {
      for (const auto& task : all_tasks) {
        const auto device = by_id.find(task.device);
        const auto* its = device == by_id.end() ? nullptr : device->second;
        if (matches(selection.conditions, {its, &task, selection.presence, outcomes[task.device]}))
          expected.insert(task.id.str());
      }
      found = all_pages<Task>([&](const auto& at) { return tasks.list(selection, limit, at); },
                              [](const Task& task) { return task.id.str(); }, what);
      ASSERT_EQ(tasks.count(selection), static_cast<std::int64_t>(expected.size())) << text;
    } else {
      for (const auto& device : all_devices)
        if (matches(selection.conditions, {&device, nullptr, selection.presence, outcomes[device.id]}))
          expected.insert(device.id);
      found = all_pages<Device>([&](const auto& at) { return devices.list(selection, limit, at); },
                                [](const Device& device) { return device.id; }, what);
      ASSERT_EQ(devices.count(selection), static_cast<std::int64_t>(expected.size())) << text;
    }
    ASSERT_EQ(std::multiset<std::string>(found.begin(), found.end()), expected) << text;
    matched += expected.size();
  }
  EXPECT_GT(matched, 10'000u);
}

TEST_F(SelectionTest, SortedListsAreInOrder) {
  fill();
  for (const auto& field : selection_fields()) {
    for (const bool descending : {false, true}) {
      const Selection selection{{}, &field, descending, {}};
      const auto sorts = sort_fields(Selects::devices);
      if (std::find(sorts.begin(), sorts.end(), field.name) == sorts.end()) continue;
      std::vector<Device> found;
      for (std::optional<Place> at;;) {
        auto page = devices.list(selection, 7, at);
        found.insert(found.end(), page.rows.begin(), page.rows.end());
        if (!page.next) break;
        at = page.next;
      }
      ASSERT_EQ(found.size(), 60u);
      for (std::size_t i = 1; i < found.size(); ++i) {
        const auto rank = [&](const Device& d) {
          auto fact = field.of({&d}, {});
          if (field.as == Compared::version) return fmt::format("{}", fmt::join(version_key(d.current_version), ","));
          if (const auto* text = std::get_if<std::string_view>(&fact)) return std::string(*text);
          const auto* number = std::get_if<std::int64_t>(&fact);
          return number ? fmt::format("{:020}", *number) : std::string();
        };
        if (field.as == Compared::version) {
          const auto x = version_key(found[i - 1].current_version);
          const auto y = version_key(found[i].current_version);
          EXPECT_TRUE(descending ? x >= y : x <= y);
        } else {
          EXPECT_TRUE(descending ? rank(found[i - 1]) >= rank(found[i]) : rank(found[i - 1]) <= rank(found[i]));
        }
      }
    }
  }
}

TEST_F(SelectionTest, IndexedConditionsSeek) {
  struct {
    Selects what;
    const char* condition;
    const char* index;
  } const cases[] = {
      {Selects::devices, "id=a", "PRIMARY KEY"},
      {Selects::devices, "hardware=gw-a", "devices_hardware (hardware=?)"},
      {Selects::devices, "channel=beta", "devices_channel (channel=?)"},
      {Selects::devices, "version=1.0.0", "devices_version (version_key=?)"},
      {Selects::devices, "version<1.0.0", "devices_version (version_key>? AND version_key<?)"},
      {Selects::devices, "version=unknown", "devices_version (version_key=?)"},
      {Selects::devices, "online=true", "devices_seen (seen>?)"},
      {Selects::devices, "online=false", "devices_seen (seen<?)"},
      {Selects::devices, "last_seen<2026-01-01T00:00:00Z", "devices_seen (seen>? AND seen<?)"},
      {Selects::devices, "link=poor", "devices_link (link_verdict=?)"},
      {Selects::devices, "outcome=failed", "device_outcomes_state (state=?)"},
      {Selects::devices, "tag.site=north", "device_tags_value (key=? AND value=?)"},
      {Selects::devices, "attr.soc.rev=north", "device_attributes_value (key=? AND value=?)"},
      {Selects::tasks, "id=a", "tasks_device (device=?)"},
      {Selects::tasks, "state=failed", "tasks_state (state=?)"},
      {Selects::tasks, "version>=1.0.0", "tasks_version (version_key>? AND version_key<?)"},
      {Selects::tasks, "created_at>2026-01-01T00:00:00Z", "tasks_created (created>?)"},
      {Selects::tasks, "created_by=ops", "tasks_created_by (created_by=?)"},
  };
  for (const auto& one : cases) {
    Selection selection;
    selection.conditions.push_back(parse_condition(one.condition, one.what).value());
    const auto walk = walk_of(selection, one.what);
    const auto parts = stretches(walk, {});
    ASSERT_FALSE(parts.empty());
    for (const auto& part : parts) {
      const auto sql = fmt::format("EXPLAIN QUERY PLAN SELECT {0} {2}{3} ORDER BY {1}, {0}", walk.id, walk.column,
                                   walk.from.text, part.where.text);
      SQLite::Statement plan(sqlite(*db).handle(), sql);
      std::string details;
      while (plan.executeStep()) details += plan.getColumn(3).getString() + "\n";
      EXPECT_NE(details.find(one.index), std::string::npos) << one.condition << "\n" << sql << "\n" << details;
      EXPECT_EQ(details.find("TEMP B-TREE"), std::string::npos) << sql << "\n" << details;
    }
    // And the rest of them, behind a place.
    const Place place{parts[0].span, SqlValue{std::int64_t{1}}, SqlValue{std::int64_t{1}}};
    for (const auto& part : stretches(walk, place)) {
      SQLite::Statement plan(sqlite(*db).handle(),
                             fmt::format("EXPLAIN QUERY PLAN SELECT {0} {2}{3} ORDER BY {1}, {0}", walk.id,
                                         walk.column, walk.from.text, part.where.text));
      while (plan.executeStep()) {
        const auto detail = plan.getColumn(3).getString();
        EXPECT_TRUE(detail.starts_with("SEARCH")) << one.condition << ": " << detail;
      }
    }
  }
}

TEST_F(SelectionTest, APageLooksAtABoundedNumberOfRows) {
  db->begin();
  for (int i = 1; i <= 45000; ++i) {
    Device device;
    device.id = fmt::format("d-{:06}", i);
    device.hardware = "gw-a";
    device.current_version = "1.0.0";
    unit.put(device);
  }
  unit.flush();
  db->commit();
  unit.discard();
  const auto selection = devices_where({"id~d-04500?"});
  auto page = devices.list(selection, 10);
  EXPECT_TRUE(page.rows.empty());
  ASSERT_TRUE(page.next);
  page = devices.list(selection, 10, page.next);
  EXPECT_TRUE(page.rows.empty());
  ASSERT_TRUE(page.next);
  page = devices.list(selection, 10, page.next);
  ASSERT_EQ(page.rows.size(), 1u);
  EXPECT_EQ(page.rows[0].id, "d-045000");
  EXPECT_FALSE(page.next);
  EXPECT_EQ(devices.count(selection), 1);
  expect_recount();
}

TEST_F(SelectionTest, CountersEqualARecount) {
  fill();
  expect_recount();
  for (int i = 0; i < 400; ++i) {
    const auto id = fmt::format("gw-{:02}", below(60));
    switch (below(6)) {
      case 0:
        unit.remove_device(id);
        break;
      case 1:
        put(any_device(static_cast<int>(below(60))));
        break;
      case 2:
        unit.remove_tasks_of(id);
        active.erase(id);
        break;
      case 3:
        unit.remove_task(static_cast<std::int64_t>(1 + below(120)));
        break;
      default: {
        if (auto task = tasks.find(static_cast<std::int64_t>(1 + below(120)))) {
          if (is_active(task->state)) active.erase(task->device);
          change_task(*task);
        }
      }
    }
    unit.flush();
    unit.discard();
  }
  expect_recount();
}

TEST_F(SelectionTest, KeysThatAMigrationLeftOutAreFilledIn) {
  sqlite(*db).handle().exec(
      "INSERT INTO devices (id, hardware, current_version, registered, transports, created, present_until_tl) "
      "VALUES ('old', '', '1.2.3', 0, 0, 0, 0)");
  EXPECT_TRUE(devices.list(devices_where({"version=1.2.3"}), 10).rows.empty());
  const auto again = backend->open(Mode::writer).value();
  EXPECT_EQ(devices.list(devices_where({"version=1.2.3"}), 10).rows.size(), 1u);
}

TEST(Place, ParsesOnlyItsOwnText) {
  const Place places[] = {{0, std::string("a:b\xc3\xb6"), std::string("gw:1")},
                          {1, std::vector<std::uint8_t>{0, 3, 255}, std::string("x")},
                          {0, std::vector<std::uint8_t>{}, std::string("x")},
                          {3, std::int64_t{-1}, std::string("x")}};
  for (const auto& place : places) {
    const auto back = Place::parse(place.str(), Selects::devices);
    ASSERT_TRUE(back) << place.str();
    EXPECT_EQ(back->str(), place.str());
    EXPECT_EQ(back->value, place.value);
  }
  EXPECT_TRUE(Place::parse("0:i5:7", Selects::tasks));
  for (const auto* text : {"", "0", "0:", "0:i5", "0:i5:", "0:i5:0", "0:i5:x", "0:x5:7", "9:i5:7", "-1:i5:7", "0:t5:7",
                           "0:tzz:7", "0:tff:7", "0:i:7", ":i5:7"})
    EXPECT_FALSE(Place::parse(text, Selects::tasks)) << text;
}

}  // namespace
}  // namespace ota::storage
