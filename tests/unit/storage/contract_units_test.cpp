// The contract of every backend: units of work, nested ones, faults, connections beside each other, copies.
#include <atomic>
#include <future>
#include <thread>

#include "unit/storage/store.hpp"

namespace ota::storage {
namespace {

using Units = Contract;
INSTANTIATE_TEST_SUITE_P(, Units, ::testing::Values(sqlite_on_disk()), name_of_kind);

/// The kind of the Fault that the call throws.
template <class Call>
std::optional<Fault::Kind> fault_of(Call call) {
  try {
    call();
  } catch (const Fault& fault) {
    return fault.kind();
  }
  return {};
}

TEST_P(Units, WhatIsCommittedIsThereForTheNextConnection) {
  db->begin();
  metadata.set_value("a", "1");
  EXPECT_FALSE(backend->open(Mode::reader).value()->metadata().value("a"));
  db->commit();
  EXPECT_EQ(backend->open(Mode::reader).value()->metadata().value("a"), "1");
}

TEST_P(Units, RollbackUndoesEveryMatterAndIsHarmlessOutside) {
  db->rollback();
  db->begin();
  Firmware image;
  firmware.insert(image);
  metadata.set_value("a", "1");
  keys.add({"anna", Role::admin, digest_of(1), {}, {}});
  audit.add({});
  idempotency_keys.remember("k", {});
  auto tagged = device("gw-1");
  tagged.tags = {{"site", "north"}};
  put(tagged);
  const auto task = make("gw-1");
  log.add({});
  db->rollback();
  unit.discard();
  EXPECT_TRUE(firmware.all().empty());
  EXPECT_FALSE(metadata.value("a"));
  EXPECT_TRUE(keys.all().empty());
  EXPECT_TRUE(audit.list({}, 0, 10).empty());
  EXPECT_FALSE(idempotency_keys.answered("k"));
  EXPECT_FALSE(devices.find("gw-1"));
  EXPECT_FALSE(tasks.find(task.id.number));
  EXPECT_TRUE(log.list(0, 0, 10).empty());
}

TEST_P(Units, NestedUnitsUndoTheirPartOnly) {
  db->begin();
  metadata.set_value("a", "1");
  {
    Database::Savepoint nested(*db);
    metadata.set_value("a", "2");
    metadata.set_value("b", "2");
  }
  {
    Database::Savepoint nested(*db);
    metadata.set_value("c", "3");
    nested.release();
  }
  db->commit();
  EXPECT_EQ(metadata.value("a"), "1");
  EXPECT_FALSE(metadata.value("b"));
  EXPECT_EQ(metadata.value("c"), "3");
}

TEST_P(Units, ARuleOfTheSchemaRefusesOneStatementAndTheUnitGoesOn) {
  Firmware image;
  image.version = "1.0";
  db->begin();
  firmware.insert(image);
  {
    Database::Savepoint nested(*db);
    EXPECT_EQ(fault_of([&] { firmware.insert(image); }), Fault::Kind::constraint);
  }
  {
    Database::Savepoint nested(*db);
    idempotency_keys.remember("k", {});
    EXPECT_EQ(fault_of([&] { idempotency_keys.remember("k", {}); }), Fault::Kind::constraint);
  }
  metadata.set_value("a", "1");
  db->commit();
  EXPECT_EQ(firmware.all().size(), 1u);
  EXPECT_FALSE(idempotency_keys.answered("k"));
  EXPECT_EQ(metadata.value("a"), "1");
}

TEST_P(Units, ASecondWriterInTheWayIsRetryable) {
  const auto other = backend->open(Mode::editor).value();
  kind.impatient(*other);
  db->begin();
  metadata.set_value("a", "1");
  const auto write = [&] {
    other->begin();
    other->metadata().set_value("a", "2");
  };
  EXPECT_EQ(fault_of(write), Fault::Kind::retryable);
  other->rollback();
  db->commit();
  EXPECT_FALSE(fault_of(write));
  other->commit();
  EXPECT_EQ(metadata.value("a"), "2");
}

TEST_P(Units, AReaderChangesNothing) {
  const auto reader = backend->open(Mode::reader).value();
  EXPECT_TRUE(fault_of([&] { reader->metadata().set_value("a", "1"); }));
  EXPECT_FALSE(metadata.value("a"));
}

TEST_P(Units, ReadersSeeCommittedStatesWhileTheWriterWrites) {
  metadata.set_value("a", "old");
  const auto readers = backend->open_readers(2).value();
  const auto read = [&] {
    std::promise<std::optional<std::string>> value;
    EXPECT_TRUE(readers->post([&](ReadView& view) { value.set_value(view.metadata.value("a")); },
                              [&](const Error&) { value.set_value("failed"); }));
    return value.get_future().get();
  };
  db->begin();
  metadata.set_value("a", "new");
  EXPECT_EQ(read(), "old");
  db->commit();
  EXPECT_EQ(read(), "new");
}

TEST_P(Units, WhatAReadThrowsIsGivenToTheCallerInWords) {
  device("gw-1");
  kind.spoil(*db, "devices", "gw-1");
  const auto readers = backend->open_readers(1).value();
  const auto failure = [&](std::function<void(ReadView&)> job) {
    std::promise<std::string> said;
    EXPECT_TRUE(readers->post(job, [&](const Error& error) { said.set_value(error.message); }));
    return said.get_future().get();
  };
  EXPECT_NE(failure([](ReadView& view) { view.devices.find("gw-1"); }).find("gw-1"), std::string::npos);
  EXPECT_FALSE(failure([](ReadView&) { throw Fault(Fault::Kind::broken, "by the test"); }).empty());
  EXPECT_FALSE(failure([](ReadView&) { throw std::runtime_error("by the test"); }).empty());
}

TEST_P(Units, UpkeepAtAnyLoadChangesNothing) {
  for (const auto load : {Load::busy, Load::idle}) {
    for (int i = 0; i < 10; ++i) {
      db->begin();
      metadata.set_value("a", std::to_string(i));
      db->commit();
      db->maintain(load);
    }
    EXPECT_EQ(metadata.value("a"), "9");
  }
}

TEST_P(Units, ABackupUnderWritesIsWhole) {
  std::atomic<bool> stop{false};
  std::thread writing([&] {
    for (int i = 0; !stop; ++i) {
      db->begin();
      metadata.set_value("a", std::to_string(i));
      metadata.set_value("b", std::to_string(i));
      db->commit();
    }
  });
  for (int i = 0; i < 5; ++i) {
    const auto folder = dir / ("copy" + std::to_string(i));
    std::filesystem::create_directory(folder);
    EXPECT_TRUE(backend->backup_to(folder + "/otad.db"));
    const auto copy = kind.make(folder);
    EXPECT_TRUE(copy->check());
    const auto opened = copy->open(Mode::writer).value();
    EXPECT_EQ(opened->metadata().value("a"), opened->metadata().value("b"));
  }
  stop = true;
  writing.join();
  EXPECT_FALSE(backend->backup_to(dir / "nowhere/copy.db"));
}

TEST_P(Units, TaskNumbersGoOnByOneAndWhatWasUndoneIsNeverGivenOut) {
  EXPECT_EQ(make("gw-1").id.number, 1);
  db->begin();
  make("gw-1");
  db->rollback();
  unit.discard();
  db->begin();
  {
    Database::Savepoint nested(*db);
    make("gw-1");
  }
  unit.discard();
  db->commit();
  EXPECT_EQ(make("gw-1").id.number, 2);
}

}  // namespace
}  // namespace ota::storage
