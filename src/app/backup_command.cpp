#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "app/commands.hpp"
#include "ota/storage/database.hpp"

namespace ota::app {
namespace {

namespace fs = std::filesystem;

int complain(const std::string& message) {
  std::cerr << "otad: " << message << '\n';
  return kFault;
}

}  // namespace

int backup(const Settings& settings, const Arguments& arguments) {
  const auto& path = settings.storage.database;
  if (!fs::exists(path)) return complain(fmt::format("there is no database {}", path));
  if (fs::exists(arguments.file)) return complain(fmt::format("{} exists already: name another file", arguments.file));
  auto db = storage::Database::open(path, storage::Mode::reader);
  if (!db) return complain(db.error().message);
  // Under another name until it is whole, so that a file of that name is always a good copy.
  const auto part = fmt::format("{}.{}.part", arguments.file, ::getpid());
  const auto copied = (*db)->backup_to(part);
  std::error_code error;
  if (copied) fs::rename(part, arguments.file, error);
  if (copied && !error) return kStopped;
  std::error_code ignored;
  fs::remove(part, ignored);
  if (!copied) return complain(copied.error().message);
  return complain(fmt::format("the copy can't be named {}: {}", arguments.file, error.message()));
}

}  // namespace ota::app
