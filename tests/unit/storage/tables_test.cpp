#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include "ota/storage/unit.hpp"
#include "storage/sqlite_database.hpp"
#include "support/fakes.hpp"

namespace ota::storage {
namespace {

using namespace std::chrono_literals;

Digest digest_of(std::uint8_t seed) {
  Digest digest{};
  digest.fill(seed);
  return digest;
}

class Tables : public ::testing::Test {
 protected:
  Task make(const std::string& device, Priority priority = Priority::normal, const std::string& version = "1.0") {
    Task task;
    task.id.day = 20261122;
    task.device = device;
    task.version = version;
    task.size = 4'096;
    task.chunk_bytes = 512;
    task.priority = priority;
    unit.insert(task);
    unit.flush();
    return task;
  }
  void put(Task& task, TaskState state) {
    task.state = state;
    put(task);
  }
  void put(const Task& task) {
    unit.put(task);
    unit.flush();
  }
  void put(const Device& device) {
    unit.put(device);
    unit.flush();
  }
  void set_ready(const Task& of, bool ready) {
    auto task = tasks.find(of.id.number).value();
    task.wait_reason = ready ? WaitReason::slot : WaitReason::none;
    unit.set_ready(task.device, ready ? std::optional{task.id.number} : std::nullopt);
    put(task);
  }
  void hold(const std::string& device, const std::string& uplink, std::int64_t task) {
    unit.hold(device, uplink, task);
    unit.flush();
  }
  Device device(const std::string& id, Millis present_until = 1'000ms) {
    Device d;
    d.id = id;
    d.present_until_tl = present_until;
    put(d);
    return d;
  }

  test::TempDir dir;
  const std::unique_ptr<Backend> storage = make_backend({.database = dir / "otad.db"});
  std::unique_ptr<Database> db = storage->open(Mode::writer).value();
  Unit unit{*db};
  storage::Tasks tasks{*db};
  Devices devices{*db};
  FirmwareCatalogue& firmware = db->firmware();
  TransferLog log{*db};
  ApiKeys& keys = db->api_keys();
};

TEST_F(Tables, ATaskComesBackAsItWasKept) {
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

TEST_F(Tables, ReadyTasksByPriorityAndAge) {
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

TEST_F(Tables, WhatNobodyAskedForComesLastAndGivesWayFirst) {
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

TEST_F(Tables, SlotsAndTheirLowestHolder) {
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
  EXPECT_EQ(unit.slots_held(), 4);
  EXPECT_EQ(tasks.lowest_routine_holder()->id, c.id) << "youngest of the lowest";
  put(c, TaskState::installing);
  EXPECT_EQ(unit.slots_held(), 3);
  EXPECT_EQ(tasks.all_active().size(), 4u);
}

TEST_F(Tables, ADeviceHasOneActiveTaskAtMost) {
  auto a = make("a");
  auto b = make("a", Priority::normal, "2.0");
  put(a, TaskState::offered);
  EXPECT_EQ(tasks.active_of("a")->id, a.id);
  b.state = TaskState::downloading;
  unit.put(b);
  EXPECT_THROW(unit.flush(), Fault) << "the database itself refuses a second";
}

TEST_F(Tables, DueTasksSoonestFirst) {
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

TEST_F(Tables, ListsAreFilteredAndPaged) {
  for (int i = 0; i < 10; ++i) {
    auto t = make(i % 2 ? "odd" : "even", Priority::normal, i < 5 ? "1.0" : "2.0");
    if (i == 9) put(t, TaskState::failed);
  }
  EXPECT_EQ(tasks.list({}, 0, 100).size(), 10u);
  EXPECT_EQ(tasks.list({}, 0, 3).front().id.number, 10);
  EXPECT_EQ(tasks.list({}, 8, 3).front().id.number, 7);
  EXPECT_EQ(tasks.list({TaskState::queued, {}, {}}, 0, 100).size(), 9u);
  EXPECT_EQ(tasks.list({TaskState::failed, "odd", "2.0"}, 0, 100).size(), 1u);
  EXPECT_EQ(tasks.list({{}, "even", {}}, 0, 100).size(), 5u);
  EXPECT_EQ(tasks.list({{}, {}, "1.0"}, 0, 100).size(), 5u);
  EXPECT_EQ(tasks.list({{}, "even", "1.0"}, 0, 100).size(), 3u);
}

TEST_F(Tables, LinksComeBackAndAreCounted) {
  Device d;
  d.id = "gw-1";
  auto& q = d.quality;
  q.rtt_ms = 31.5;
  q.loss = 0.04;
  q.rate = 8'000;
  q.trouble = 1.5;
  q.trouble_at = 7ms;
  q.stalls = 1;
  q.resumes = 2;
  q.mismatches = 3;
  q.broken = 4;
  q.verdict = LinkVerdict::fair;
  q.leaning = LinkVerdict::poor;
  q.looks = 1;
  q.mqtt_heard = 11ms;
  q.mqtt_first_until = 12ms;
  put(d);
  put(d);
  const auto back = devices.find("gw-1").value().quality;
  EXPECT_EQ(back.rtt_ms, q.rtt_ms);
  EXPECT_EQ(back.loss, q.loss);
  EXPECT_EQ(back.rate, q.rate);
  EXPECT_EQ(back.trouble, q.trouble);
  EXPECT_EQ(back.trouble_at, q.trouble_at);
  EXPECT_EQ(back.stalls, 1u);
  EXPECT_EQ(back.resumes, 2u);
  EXPECT_EQ(back.mismatches, 3u);
  EXPECT_EQ(back.broken, 4u);
  EXPECT_EQ(back.verdict, q.verdict);
  EXPECT_EQ(back.leaning, q.leaning);
  EXPECT_EQ(back.looks, 1u);
  EXPECT_EQ(back.mqtt_heard, q.mqtt_heard);
  EXPECT_EQ(back.mqtt_first_until, q.mqtt_first_until);
  d.id = "gw-2";
  q = {};
  put(d);
  EXPECT_EQ(devices.verdicts(), (std::array<std::int64_t, 4>{1, 0, 1, 0}));
}

TEST_F(Tables, TheOldestTaskBehindAnUplinkIsFirst) {
  Device d;
  for (const auto* id : {"a", "b", "c"}) {
    d.id = id;
    put(d);
  }
  EXPECT_FALSE(devices.first_held("mast"));
  hold("a", "mast", 9);
  hold("b", "mast", 4);
  hold("c", "other", 1);
  EXPECT_EQ(devices.first_held("mast"), "b");
  EXPECT_EQ(devices.find("b")->held_uplink, "mast");
  d.id = "b";
  put(d);
  EXPECT_EQ(devices.first_held("mast"), "b") << "saving keeps its place";
  hold("b", {}, 0);
  EXPECT_EQ(devices.first_held("mast"), "a");
  EXPECT_EQ(devices.find("b")->held_uplink, "");
}

TEST_F(Tables, DevicesComeBackAndLapse) {
  Device d;
  d.id = "gw-1";
  d.hardware = "gw-a";
  d.current_version = "1.0";
  d.registered = true;
  d.tags = {{"site", "north"}, {"note", ""}};
  d.secret = digest_of(4);
  d.transports = {Transport::mqtt, Transport::http};
  d.max_chunk_bytes = 65'536;
  d.max_message_bytes = 1'024;
  d.created = WallTime{1ms};
  d.last_seen = WallTime{2ms};
  d.present_until_tl = 500ms;
  d.transport = Transport::mqtt;
  d.link = {48.5, -71.0, 0.02};
  put(d);
  put(d);
  const auto back = devices.find("gw-1").value();
  EXPECT_EQ(back.tags, d.tags);
  EXPECT_EQ(back.secret, d.secret);
  EXPECT_EQ(back.transports, d.transports);
  EXPECT_EQ(back.max_chunk_bytes, d.max_chunk_bytes);
  EXPECT_EQ(back.max_message_bytes, d.max_message_bytes);
  EXPECT_EQ(back.transport, d.transport);
  EXPECT_EQ(back.link.rtt_ms, 48.5);
  EXPECT_EQ(back.last_seen, d.last_seen);
  EXPECT_TRUE(back.registered);

  EXPECT_FALSE(devices.next_lapse()) << "nothing of it is ready";
  const auto t = make("gw-1");
  set_ready(t, true);
  put(d);
  EXPECT_EQ(devices.next_lapse(), 500ms) << "saving keeps its place";
  EXPECT_TRUE(devices.lapsed(499ms, 10).empty());
  EXPECT_EQ(devices.lapsed(500ms, 10), std::vector<std::string>{"gw-1"});
  unit.remove_device("gw-1");
  EXPECT_FALSE(devices.find("gw-1"));
}

TEST_F(Tables, FirmwareByVersionHardwareAndImage) {
  Firmware f;
  f.version = "1.0";
  f.hardware = "gw-a";
  f.size = 10;
  f.checksum = digest_of(1);
  f.security = true;
  f.notes = "fixes\nthings";
  f.signature = FirmwareSignature{"vendor", "c2ln"};
  firmware.insert(f);
  auto other = f;
  other.hardware = "";
  other.signature.reset();
  firmware.insert(other);
  EXPECT_EQ(firmware.find("1.0", "gw-a")->signature, f.signature);
  EXPECT_FALSE(firmware.find("1.0", "")->signature);
  EXPECT_EQ(firmware.with_version("1.0").size(), 2u);
  EXPECT_EQ(firmware.with_image(digest_of(1)).size(), 2u);
  EXPECT_EQ(firmware.list(0, 1).front().id, other.id);
  f.damaged = true;
  firmware.update(f);
  EXPECT_TRUE(firmware.find(f.id)->damaged);
  EXPECT_THROW(firmware.insert(f), Fault) << "one row for a version and hardware";
  EXPECT_TRUE(firmware.remove(f.id));
  EXPECT_FALSE(firmware.find(f.id));
  EXPECT_EQ(firmware.all().size(), 1u);
}

TEST_F(Tables, TheLogIsReadInOrderAndPruned) {
  LogEntry e;
  e.task = 1;
  e.kind = "chunks";
  e.by = "device";
  e.from = TaskState::offered;
  e.to = TaskState::downloading;
  e.event = "chunk";
  e.reason = "why";
  e.attempt = 2;
  e.chunks = {{1, 3}, {7, 7}};
  e.bytes = 100;
  e.ms = 20;
  e.transport = Transport::http;
  for (int i = 0; i < 5; ++i) {
    e.at = WallTime{Millis{i * 100}};
    log.add(e);
  }
  const auto back = log.list(1, 0, 10);
  ASSERT_EQ(back.size(), 5u);
  EXPECT_EQ(back[0].chunks, e.chunks);
  EXPECT_EQ(back[0].from, e.from);
  EXPECT_EQ(back[0].transport, e.transport);
  EXPECT_EQ(back[0].ms, 20);
  EXPECT_EQ(log.list(1, back[2].id, 10).size(), 2u);
  EXPECT_TRUE(log.list(2, 0, 10).empty());
  EXPECT_EQ(log.prune(WallTime{200ms}, 1), 1);
  EXPECT_EQ(log.prune(WallTime{200ms}, 100), 1);
  EXPECT_EQ(log.list(1, 0, 10).size(), 3u);
}

TEST_F(Tables, TheAuditLogByTimeAndActor) {
  AuditLog& audit = db->audit_log();
  for (int i = 0; i < 6; ++i) {
    AuditEntry e;
    e.at = WallTime{Millis{i * 100}};
    e.caller = Caller(i % 2 ? "alice" : "bob", "10.0.0.7:1");
    e.action = "task.cancel";
    e.target = "OTA_20261122_000001";
    e.outcome = "done";
    audit.add(e);
  }
  const auto all = audit.list({}, {}, 0, 10);
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all.front().id, 6) << "newest first";
  EXPECT_EQ(all.front().caller.remote, "10.0.0.7:1");
  EXPECT_EQ(all.front().target, "OTA_20261122_000001");
  EXPECT_EQ(audit.list(WallTime{300ms}, {}, 0, 10).size(), 3u);
  EXPECT_EQ(audit.list({}, "alice", 0, 10).size(), 3u);
  EXPECT_EQ(audit.list({}, {}, 3, 10).size(), 2u);
  EXPECT_EQ(audit.prune(WallTime{400ms}, 3), 3);
  EXPECT_EQ(audit.prune(WallTime{400ms}, 3), 1);
  EXPECT_EQ(audit.prune(WallTime{400ms}, 3), 0);
  EXPECT_EQ(audit.list({}, {}, 0, 10).size(), 2u);
  EXPECT_THROW(sqlite(*db).handle().exec("DELETE FROM audit"), SQLite::Exception) << "by the trigger";
  EXPECT_EQ(audit.list({}, {}, 0, 10).size(), 2u);
}

TEST_F(Tables, KeysAndAnswers) {
  ApiKey key{"alice", Role::admin, digest_of(9), WallTime{1ms}, {}};
  EXPECT_TRUE(keys.add(key));
  EXPECT_FALSE(keys.add(key));
  keys.used("alice", WallTime{5ms});
  EXPECT_EQ(keys.all().at(0).last_used, WallTime{5ms});
  EXPECT_EQ(keys.all().at(0).role, Role::admin);
  EXPECT_TRUE(keys.remove("alice"));
  EXPECT_FALSE(keys.remove("alice"));

  EXPECT_FALSE(db->idempotency_keys().answered("k"));
  db->idempotency_keys().remember("k", {digest_of(2), 5, true, TaskState::offered, WallTime{10ms}});
  EXPECT_EQ(db->idempotency_keys().answered("k")->task, 5);
  EXPECT_EQ(db->idempotency_keys().answered("k")->state, TaskState::offered);
  EXPECT_EQ(db->idempotency_keys().forget(WallTime{10ms}, 10), 0);
  EXPECT_EQ(db->idempotency_keys().forget(WallTime{11ms}, 10), 1);

  for (auto role : {Role::viewer, Role::operator_, Role::admin}) EXPECT_EQ(parse_role(to_string(role)), role);
  EXPECT_FALSE(parse_role("root"));
}

TEST_F(Tables, NoStatementReplacesAnEntryOfTheAudit) {
  AuditLog& audit = db->audit_log();
  AuditEntry entry;
  entry.action = "upgrade";
  audit.add(entry);
  for (const auto* sql :
       {"REPLACE INTO audit (id, at, actor, remote, action, target, outcome) VALUES (1, 0, 'x', '', '', '', '')",
        "INSERT OR REPLACE INTO audit (id, at, actor, remote, action, target, outcome) VALUES (1, 0, 'x', '', '', '', "
        "'')",
        "INSERT INTO audit (id, at, actor, remote, action, target, outcome) VALUES (1, 0, 'x', '', '', '', '') "
        "ON CONFLICT (id) DO UPDATE SET actor='x'",
        "UPDATE OR REPLACE audit SET actor='x'"})
    EXPECT_THROW(sqlite(*db).handle().exec(sql), SQLite::Exception) << sql;
  audit.add(entry);
  ASSERT_EQ(audit.list({}, {}, 0, 10).size(), 2u);
  EXPECT_EQ(audit.list({}, {}, 0, 10)[1].action, "upgrade");
}

}  // namespace
}  // namespace ota::storage
