// A storage in a folder of its own, with the rows by matter; for tests of what any backend has to do.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "ota/storage/backend.hpp"
#include "ota/storage/devices.hpp"
#include "ota/storage/tasks.hpp"
#include "ota/storage/transfer_log.hpp"
#include "ota/storage/unit.hpp"
#include "support/fakes.hpp"

namespace ota::storage {

inline Digest digest_of(std::uint8_t seed) {
  Digest digest{};
  digest.fill(seed);
  return digest;
}

/// Lists of what these conditions select.
inline Selection devices_where(std::initializer_list<const char*> conditions) {
  Selection selection;
  for (const auto* text : conditions) selection.conditions.push_back(parse_condition(text, Selects::devices).value());
  return selection;
}
inline Selection tasks_where(std::initializer_list<const char*> conditions) {
  Selection selection;
  for (const auto* text : conditions) selection.conditions.push_back(parse_condition(text, Selects::tasks).value());
  return selection;
}

/// A kind of storage, and what only it knows how to bring about.
struct Kind {
  std::string name;
  std::function<std::unique_ptr<Backend>(const std::string& folder)> make;
  /// Makes a row unreadable, as a bad disk would: of `tasks`, `devices`, `firmware`, `transfer_log`, `api_keys`.
  std::function<void(Database&, const std::string& table, const std::string& key)> spoil;
  /// Who waits for another writer gives up at once.
  std::function<void(Database&)> impatient;
};
inline std::string name_of_kind(const ::testing::TestParamInfo<Kind>& test) { return test.param.name; }
inline void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

Kind sqlite_on_disk();

class Store {
 public:
  explicit Store(const Kind& of) : kind(of) {}

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
  void put(const Task& task) {
    unit.put(task);
    unit.flush();
  }
  void put(Task& task, TaskState state) {
    task.state = state;
    put(task);
  }
  void put(const Device& device) {
    unit.put(device);
    unit.flush();
  }
  Device device(const std::string& id, Millis present_until = Millis{1'000}) {
    Device d;
    d.id = id;
    d.present_until_tl = present_until;
    put(d);
    return d;
  }
  void set_ready(const Task& of, bool ready) {
    auto task = tasks.find(of.id.number).value();
    task.wait_reason = ready ? WaitReason::slot : WaitReason::none;
    unit.queue().set_ready(task.device, ready ? std::optional{task.id.number} : std::nullopt);
    put(task);
  }
  void hold(const std::string& device, const std::string& uplink, std::int64_t task) {
    unit.queue().hold(device, uplink, task);
    unit.flush();
  }

  const Kind kind;
  test::TempDir dir;
  const std::unique_ptr<Backend> backend = kind.make(dir.path().string());
  const std::unique_ptr<Database> db = backend->open(Mode::writer).value();
  Unit unit{*db};
  Tasks tasks{*db};
  Devices devices{*db};
  TransferLog log{*db};
  FirmwareCatalogue& firmware = db->firmware();
  AuditLog& audit = db->audit_log();
  EventLog& events = db->event_log();
  Webhooks& webhooks = db->webhooks();
  ApiKeys& keys = db->api_keys();
  Metadata& metadata = db->metadata();
  IdempotencyKeys& idempotency_keys = db->idempotency_keys();
};

/// The contract: what any backend has to do, one instance of each test for each kind.
class Contract : public ::testing::TestWithParam<Kind>, protected Store {
 protected:
  Contract() : Store(GetParam()) {}
};

}  // namespace ota::storage
