// Orphans: images in the folder that belong to no firmware in the database. Only while no daemon runs, because its
// catalogue and store would not notice the change. With a running daemon, POST /firmware has the effect of adopt.
#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <optional>

#include "app/commands.hpp"
#include "app/instance_lock.hpp"
#include "ota/base/log.hpp"
#include "ota/domain/version.hpp"
#include "ota/firmware/store.hpp"
#include "ota/storage/backend.hpp"

namespace ota::app {
namespace {

/// Database and images of a daemon that doesn't run.
struct Data {
  File lock;
  std::unique_ptr<storage::Backend> storage;
  std::unique_ptr<storage::Database> db;
  std::unique_ptr<firmware::Store> store;
};

Result<Data> open_data(const Settings& settings) {
  std::error_code error;
  const auto& path = settings.storage.database;
  if (!std::filesystem::exists(path, error))
    return fail(Errc::not_found, fmt::format("there is no database {}: is storage.database right?", path));
  Data data;
  auto lock = lock_database(path);
  if (!lock) return lock.error();
  data.lock = std::move(*lock);
  data.storage = storage::make_backend(settings.storage);
  auto db = data.storage->open(storage::Mode::editor);
  if (!db) return db.error();
  data.db = std::move(*db);
  firmware::StoreOptions options;
  options.dir = settings.storage.firmware_dir;
  auto store = firmware::Store::open(std::move(options), {});
  if (!store) return store.error();
  data.store = std::move(*store);
  std::vector<firmware::KnownImage> known;
  for (const auto& row : data.db->firmware().all()) known.push_back({row.checksum, row.size, row.damaged});
  data.store->reconcile(known);
  return data;
}

/// Runs `work` on the data and prints its errors.
int with_data(const Settings& settings, const std::function<int(Data&)>& work) {
  if (auto quiet = log::configure(log::Level::off, "", log::Format::text); !quiet)
    return complain(quiet.error().message);
  try {
    auto data = open_data(settings);
    return data ? work(*data) : complain(data.error().message);
  } catch (const storage::Fault& fault) {
    return complain(fmt::format("the database {}: {}", settings.storage.database, fault.what()));
  }
}

bool is_orphan(const firmware::Store& store, const std::string& name) {
  for (const auto& orphan : store.orphans())
    if (orphan.name == name) return true;
  return false;
}

int no_orphan(const std::string& name) {
  return complain(fmt::format("{} is not an orphan: \"otad firmware orphans\" lists all", name));
}

/// One transaction: the row and its audit entry.
int insert(Data& data, Firmware firmware, const std::string& name) {
  auto& table = data.db->firmware();
  data.db->begin();
  if (const auto there = table.find(firmware.version, firmware.hardware)) {
    data.db->rollback();
    return complain(
        fmt::format("firmware {} for hardware '{}' exists with different content: give the image another version",
                    firmware.version, firmware.hardware));
  }
  table.insert(firmware);
  AuditEntry entry;
  entry.at = firmware.created;
  entry.caller = Caller("otad firmware", "this machine");
  entry.action = "firmware.adopt";
  entry.target = firmware.version + " " + firmware.hardware + " " + to_checksum(firmware.checksum);
  entry.outcome = "done";
  data.db->audit_log().add(entry);
  data.db->commit();
  std::cerr << fmt::format("{} is firmware {} for {}\n", name, firmware.version,
                           firmware.hardware.empty() ? "every hardware" : "hardware " + firmware.hardware);
  return kStopped;
}

}  // namespace

int list_orphans(const Settings& settings) {
  return with_data(settings, [](Data& data) {
    const auto orphans = data.store->orphans();
    std::cout << fmt::format("{:<74} {:>12} {}\n", "IMAGE", "BYTES", "SINCE");
    for (const auto& orphan : orphans)
      std::cout << fmt::format("{:<74} {:>12} {}\n", orphan.name, orphan.size, to_rfc3339(orphan.since));
    return kStopped;
  });
}

int adopt_orphan(const Settings& settings, const Arguments& arguments) {
  const auto& name = arguments.images.front();
  Firmware firmware;
  firmware.version = arguments.version;
  firmware.hardware = arguments.hardware;
  firmware.security = arguments.security;
  firmware.created = SystemClock().wall();
  if (!valid_version(firmware.version))
    return complain("--version must be 1 to 128 of A-Z a-z 0-9 . _ + ~ : -, with no . or - in front", kBadSettings);
  if (!valid_hardware(firmware.hardware))
    return complain("--hardware must be at most 64 of A-Z a-z 0-9 _ . : @ -", kBadSettings);
  return with_data(settings, [&](Data& data) {
    if (!is_orphan(*data.store, name)) return no_orphan(name);
    const auto examined = data.store->examine(name);
    if (!examined) return complain(examined.error().message);
    if (name.ends_with(".damaged"))
      return complain(fmt::format("{} was quarantined as corrupted but is intact: rename it to {}.img, then "
                                  "adopt that",
                                  name,
                                  to_hex(examined->checksum)));
    firmware.checksum = examined->checksum;
    firmware.size = examined->size;
    firmware.file =
        FirmwareFile{default_filename(firmware, examined->swupdate), examined->sha1, examined->md5};
    return insert(data, firmware, name);
  });
}

int purge_orphans(const Settings& settings, const Arguments& arguments) {
  return with_data(settings, [&](Data& data) {
    for (const auto& name : arguments.images)
      if (!is_orphan(*data.store, name)) return no_orphan(name);
    for (const auto& name : arguments.images) {
      data.store->remove(*digest_from_hex(name.substr(0, 64)));
      std::cerr << name << " is removed\n";
    }
    return kStopped;
  });
}

}  // namespace ota::app
