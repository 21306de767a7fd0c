#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "app/commands.hpp"
#include "ota/storage/backend.hpp"

namespace ota::app {
namespace {

namespace fs = std::filesystem;

/// Why the copy can't have this name; empty: no error found.
std::string wrong_with(const fs::path& file) {
  std::error_code error;
  const auto there = fs::symlink_status(file, error);
  if (fs::is_directory(there)) return fmt::format("{} is a folder: name a file in it", file.string());
  // A dangling symbolic link is replaced, not followed.
  if (fs::is_symlink(there) && !fs::exists(file, error)) return {};
  if (fs::exists(there)) return fmt::format("{} exists already: name another file", file.string());
  if (there.type() != fs::file_type::not_found)
    return fmt::format("{} can't be examined: {}", file.string(), error.message());
  const auto folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const auto parent = fs::status(folder, error);
  if (fs::is_directory(parent)) return {};
  return fmt::format("{} is not a writable folder{}", folder.string(),
                     error ? ": " + error.message() : std::string());
}

/// The temporary copy; removed on failure.
void remove_part(const std::string& part) {
  std::error_code ignored;
  for (const auto* ending : {"", "-journal", "-wal", "-shm"}) fs::remove(part + ending, ignored);
}

}  // namespace

int backup(const Settings& settings, const Arguments& arguments) {
  const auto& path = settings.storage.database;
  const auto& file = arguments.file;
  if (file.empty() || file.ends_with('/')) return complain("backup: name the file to create", kBadSettings);
  std::error_code error;
  if (!fs::is_regular_file(path, error))
    return complain(fmt::format("there is no database {}{}", path, error ? ": " + error.message() : std::string()));
  if (const auto wrong = wrong_with(file); !wrong.empty()) return complain(wrong);
  // Written under a temporary name, so that a file with the final name is always a complete copy.
  const auto part = fmt::format("{}.{}.part", file, ::getpid());
  const auto copied = storage::make_backend(settings.storage)->backup_to(part);
  if (copied) fs::rename(part, file, error);
  if (copied && !error) return kStopped;
  remove_part(part);
  if (!copied) return complain(copied.error().message);
  return complain(fmt::format("the copy can't be renamed to {}: {}", file, error.message()));
}

}  // namespace ota::app
