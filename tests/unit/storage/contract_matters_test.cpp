// The contract of every backend: firmware, logs, keys, metadata and answers.
#include <algorithm>

#include "unit/storage/store.hpp"

namespace ota::storage {
namespace {

using namespace std::chrono_literals;

using Matters = Contract;
INSTANTIATE_TEST_SUITE_P(, Matters, ::testing::Values(sqlite_on_disk()), name_of_kind);

TEST_P(Matters, FirmwareByVersionHardwareAndImage) {
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
  EXPECT_FALSE(firmware.find(f.id)->file);
  f.damaged = true;
  f.file = FirmwareFile{"gw-a.swu", {1, 2, 3}, {4, 5, 6}};
  firmware.update(f);
  EXPECT_TRUE(firmware.find(f.id)->damaged);
  const auto file = firmware.find(f.id)->file.value();
  EXPECT_EQ(file.name, "gw-a.swu");
  EXPECT_EQ(file.sha1, f.file->sha1);
  EXPECT_EQ(file.md5, f.file->md5);
  EXPECT_THROW(firmware.insert(f), Fault) << "one row for a version and hardware";
  f.version = "1.1";
  firmware.insert(f);
  EXPECT_EQ(firmware.find("1.1", "gw-a")->file->name, "gw-a.swu");
  EXPECT_TRUE(firmware.remove(f.id));
  f.id = firmware.find("1.0", "gw-a")->id;
  EXPECT_TRUE(firmware.remove(f.id));
  EXPECT_FALSE(firmware.find(f.id));
  EXPECT_EQ(firmware.all().size(), 1u);
}

TEST_P(Matters, TheLogIsReadInOrderAndPruned) {
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

TEST_P(Matters, TheAuditLogByTimeAndActor) {
  for (int i = 0; i < 6; ++i) {
    AuditEntry e;
    e.at = WallTime{Millis{i * 100}};
    e.caller = Caller(i % 2 ? "alice" : "bob", "10.0.0.7:1");
    e.action = "task.cancel";
    e.target = "OTA_20261122_000001";
    e.outcome = "done";
    audit.add(e);
  }
  const auto all = audit.list({}, 0, 10);
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all.front().id, 6) << "newest first";
  EXPECT_EQ(all.front().caller.remote, "10.0.0.7:1");
  EXPECT_EQ(all.front().target, "OTA_20261122_000001");
  EXPECT_EQ(audit.list({.since = WallTime{300ms}}, 0, 10).size(), 3u);
  EXPECT_EQ(audit.list({.actor = "alice"}, 0, 10).size(), 3u);
  EXPECT_EQ(audit.list({.since = WallTime{100ms}, .until = WallTime{300ms}}, 0, 10).size(), 2u);
  EXPECT_EQ(audit.list({.actor = "alice", .action = "task.cancel", .target = "OTA_20261122_000001"}, 0, 10).size(), 3u);
  EXPECT_EQ(audit.list({.action = "task.retry"}, 0, 10).size(), 0u);
  EXPECT_EQ(audit.list({.target = "OTA_20261122_000002"}, 0, 10).size(), 0u);
  EXPECT_EQ(audit.list({.outcome = "done"}, 0, 10).size(), 6u);
  EXPECT_EQ(audit.list({.outcome = "forbidden"}, 0, 10).size(), 0u);
  EXPECT_EQ(audit.list({}, 3, 10).size(), 2u);
  EXPECT_EQ(audit.count(), 6);
  EXPECT_EQ(audit.prune(WallTime{400ms}, 3), 3);
  EXPECT_EQ(audit.prune(WallTime{400ms}, 3), 1);
  EXPECT_EQ(audit.prune(WallTime{400ms}, 3), 0);
  EXPECT_EQ(audit.list({}, 0, 10).size(), 2u);
  EXPECT_EQ(audit.count(), 2);
}

TEST_P(Matters, ApiKeysByName) {
  ApiKey key{"alice", Role::admin, digest_of(9), WallTime{1ms}, {}};
  EXPECT_TRUE(keys.add(key));
  EXPECT_FALSE(keys.add(key));
  keys.used("alice", WallTime{5ms});
  EXPECT_EQ(keys.all().at(0).last_used, WallTime{5ms});
  EXPECT_EQ(keys.all().at(0).role, Role::admin);
  key.role = Role::viewer;
  key.secret = digest_of(10);
  key.scope = {"tag.site=lab", "hardware=gw-a"};
  key.expires = WallTime{9ms};
  key.former = ApiKey::Former{digest_of(9), WallTime{8ms}};
  keys.update(key);
  const auto found = keys.find("alice");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->role, Role::viewer);
  EXPECT_EQ(found->secret, digest_of(10));
  EXPECT_EQ(found->scope, key.scope);
  EXPECT_EQ(found->expires, WallTime{9ms});
  EXPECT_EQ(found->former.value().secret, digest_of(9));
  EXPECT_EQ(found->former.value().until, WallTime{8ms});
  EXPECT_EQ(found->last_used, WallTime{5ms});
  EXPECT_FALSE(keys.find("bob"));
  EXPECT_TRUE(keys.remove("alice"));
  EXPECT_FALSE(keys.remove("alice"));
}

TEST_P(Matters, AnswersByIdempotencyKeyUntilTheyAreOld) {
  EXPECT_FALSE(idempotency_keys.answered("k"));
  idempotency_keys.remember("k", {digest_of(2), 5, true, TaskState::offered, WallTime{10ms}});
  EXPECT_EQ(idempotency_keys.answered("k")->task, 5);
  EXPECT_EQ(idempotency_keys.answered("k")->state, TaskState::offered);
  EXPECT_EQ(idempotency_keys.forget(WallTime{10ms}, 10), 0);
  EXPECT_EQ(idempotency_keys.forget(WallTime{11ms}, 10), 1);
}

TEST_P(Matters, FirmwareIsListedNewestFirstInPages) {
  for (int i = 1; i <= 5; ++i) {
    Firmware f;
    f.version = std::to_string(i);
    firmware.insert(f);
    EXPECT_EQ(f.id, i);
  }
  const auto ids = [&](std::int64_t before, int limit) {
    std::vector<std::int64_t> found;
    for (const auto& f : firmware.list(before, limit)) found.push_back(f.id);
    return found;
  };
  using Ids = std::vector<std::int64_t>;
  EXPECT_EQ(ids(0, 2), (Ids{5, 4}));
  EXPECT_EQ(ids(4, 2), (Ids{3, 2}));
  EXPECT_EQ(ids(1, 2), Ids{});
  kind.spoil(*db, "firmware", "3");
  EXPECT_EQ(ids(4, 2), (Ids{2, 1})) << "a page is filled with rows that can be read";
  EXPECT_EQ(firmware.all().size(), 4u);
  EXPECT_THROW(firmware.find(3), BadRow);
}

TEST_P(Matters, VersionsThatCompareAsEqualAreFound) {
  for (const auto* version : {"1.0", "1.0.0", "1.1"}) {
    Firmware f;
    f.version = version;
    firmware.insert(f);
  }
  EXPECT_EQ(firmware.with_version("1.0").size(), 1u);
  EXPECT_EQ(firmware.with_same_version("1.1").size(), 1u);
  EXPECT_TRUE(firmware.with_same_version("2").empty());
}

TEST_P(Matters, MetadataByName) {
  EXPECT_FALSE(metadata.value("a"));
  metadata.set_value("a", "1");
  metadata.set_value("a", "2");
  metadata.set_value("b", "");
  EXPECT_EQ(metadata.value("a"), "2");
  EXPECT_EQ(metadata.value("b"), "");
}

TEST_P(Matters, ListsPassOverRowsThatCanNotBeRead) {
  for (int i = 0; i < 3; ++i) {
    LogEntry entry;
    entry.task = 1;
    log.add(entry);
    keys.add({"key " + std::to_string(i), Role::viewer, digest_of(static_cast<std::uint8_t>(i)), {}, {}});
  }
  kind.spoil(*db, "transfer_log", "2");
  kind.spoil(*db, "api_keys", "key 1");
  EXPECT_EQ(log.list(1, 0, 2).size(), 2u);
  ASSERT_EQ(keys.all().size(), 2u);
  EXPECT_EQ(keys.all()[1].name, "key 2");
  const auto names = bad_rows().names(1'000);
  EXPECT_NE(std::find(names.begin(), names.end(), "api_keys key 1"), names.end());
}

}  // namespace
}  // namespace ota::storage
