#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>

#include "app/commands.hpp"
#include "app/config_check.hpp"
#include "app/instance_lock.hpp"
#include "ota/backup/backup.hpp"
#include "ota/storage/backend.hpp"

namespace ota::app {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

int fail_with(const Error& error) { return complain(error.message); }

void describe(const backup::Contents& contents) {
  std::uint64_t bytes = 0;
  std::size_t images = 0;
  for (const auto& entry : contents.entries) {
    bytes += entry.size;
    if (entry.name.ends_with(".img")) ++images;
  }
  std::cout << fmt::format("backup of {} by otad {}, schema {}: {} files, {:.1f} MiB, {}\n", to_rfc3339(contents.created),
                           contents.otad, contents.schema, contents.entries.size(), static_cast<double>(bytes) / kMiB,
                           contents.images ? fmt::format("{} images", images) : std::string("without images"));
}

/// For the metric of its age. A database of another schema has no place for it yet.
void note_backup(const Settings& settings, WallTime at) {
  try {
    auto db = storage::make_backend(settings.storage)->open(storage::Mode::editor);
    if (!db) return;
    (*db)->begin();
    (*db)->metadata().set_value("last_backup", std::to_string(at.time_since_epoch().count()));
    (*db)->commit();
  } catch (const storage::Fault& fault) {
    complain(fmt::format("the time of the backup can't be noted: {}", fault.what()));
  }
}

}  // namespace

int backup(const Settings& settings, const Arguments& arguments) {
  if (arguments.file.empty() || arguments.file.ends_with('/'))
    return complain("backup: name the file to create", kBadSettings);
  const auto written = backup::write(settings, arguments.config, arguments.file, !arguments.without_images);
  if (!written) return fail_with(written.error());
  note_backup(settings, written->created);
  describe(*written);
  return kStopped;
}

int restore(const Settings& settings, const Arguments& arguments) {
  if (arguments.only_check) {
    const auto contents = backup::check(arguments.file);
    if (!contents) return fail_with(contents.error());
    describe(*contents);
    return kStopped;
  }
  const auto& path = settings.storage.database;
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  auto lock = lock_database(path);
  if (!lock) return fail_with(lock.error());
  // Root restores for the user that otad runs as.
  if (::geteuid() == 0 && ::fchown(lock->descriptor(), user_of_daemon(settings), static_cast<gid_t>(-1)) != 0)
    return fail_with(io_error(errno, "change the owner of", lock->path()));
  const auto contents = backup::restore(settings, arguments.config, arguments.file);
  if (!contents) return fail_with(contents.error());
  describe(*contents);
  std::cout << fmt::format("restored to {} and {}; start otad\n", path, settings.storage.firmware_dir);
  return kStopped;
}

}  // namespace ota::app
