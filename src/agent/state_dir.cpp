#include "agent/state_dir.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "agent/files.hpp"
#include "agent/image_file.hpp"

namespace ota::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxParts = 3;

template <class Wanted>
std::vector<fs::path> files_in(const fs::path& dir, Wanted wanted) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(dir, error); !error && it != fs::directory_iterator(); it.increment(error)) {
    if (wanted(it->path())) files.push_back(it->path());
  }
  return files;
}

// Held by the folder that is answered; nothing where another holds it. Goes with the process, however it ends.
std::optional<File> lock_folder(const fs::path& dir) {
  auto folder = File::open(dir, O_RDONLY | O_DIRECTORY);
  if (!folder) return {};
  const auto locked = folder->lock();
  if (!locked || !*locked) return {};
  return std::move(*folder);
}

// Made where it is missing; refused where somebody else could put something into it.
Result<void> make_own(const fs::path& folder) {
  std::error_code error;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (!error && ::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) error = {errno, std::generic_category()};
  struct stat status {};
  if (!error && ::stat(folder.c_str(), &status) != 0) error = {errno, std::generic_category()};
  if (error) return fail(Errc::server_fault, fmt::format("cannot create {}: {}", folder.string(), error.message()));
  if (status.st_uid != ::geteuid()) {
    return fail(Errc::forbidden,
                fmt::format("the state folder {} belongs to user {}, not to this agent's, {}: its content would be "
                            "installed; remove it or give another --state-dir",
                            folder.string(), status.st_uid, ::geteuid()));
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(Errc::forbidden,
                fmt::format("others may write to the state folder {} (mode {:04o}), and its content would be "
                            "installed: examine it, then chmod go-w {}",
                            folder.string(), status.st_mode & 07777, folder.string()));
  }
  return {};
}

// Bytes that it holds on the disk.
std::uint64_t reserved(const fs::path& file) {
  struct stat status {};
  return ::stat(file.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_blocks) * 512 : 0;
}

void remove_quietly(const fs::path& file) {
  std::error_code ignored;
  fs::remove(file, ignored);
}

void remove_part(const fs::path& file) {
  remove_quietly(file);
  remove_quietly(ImageFile::digests_file(file));
}

}  // namespace

Result<StateDir> StateDir::open(const fs::path& state, const std::string& device) {
  auto dir = state / device;
  // The two ids that are no names of folders.
  if (device == "." || device == "..") dir = state / ("_" + device);
  for (const auto& folder : {state, dir}) {
    if (auto made = make_own(folder); !made) return made.error();
  }
  auto lock = lock_folder(dir);
  if (!lock)
    return fail(Errc::in_use,
                fmt::format("another agent uses {}: stop it, or give this one another state folder", dir.string()));
  return StateDir(dir, std::move(*lock));
}

VersionRecord StateDir::versions() const {
  const auto content = read_small_file(dir_ / "device.json");
  if (!content) return {};
  return {text_field(*content, "current_version"), text_field(*content, "given_version"),
          text_field(*content, "highest_version"), text_field(*content, "unwell_version")};
}

Result<void> StateDir::set_versions(const VersionRecord& versions) {
  const nlohmann::json object{{"current_version", versions.current},
                              {"given_version", versions.given},
                              {"highest_version", versions.highest},
                              {"unwell_version", versions.unwell}};
  return write_durably(dir_ / "device.json", object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
                       0600);
}

std::optional<KeptTask> StateDir::task() const {
  auto content = read_small_file(dir_ / "task.json");
  return content ? task_from_json(*content) : std::nullopt;
}

Result<void> StateDir::keep_task(const Assignment& task, std::string_view phase, bool confirm,
                                 const InstallRecord& install) {
  return write_durably(dir_ / "task.json", task_to_json(task, phase, confirm, install), 0600);
}

void StateDir::drop_task() { remove_quietly(dir_ / "task.json"); }

fs::path StateDir::part(const Digest& checksum) const { return dir_ / (to_hex(checksum) + ".part"); }
fs::path StateDir::image(const std::string& version) const { return dir_ / ("image-" + version); }
void StateDir::drop_part(const Digest& checksum) { remove_part(part(checksum)); }

std::vector<fs::path> StateDir::other_parts(const Digest& checksum) const {
  return files_in(
      dir_, [kept = part(checksum)](const fs::path& file) { return file.extension() == ".part" && file != kept; });
}

void StateDir::prune_parts(const Digest& checksum) {
  auto parts = other_parts(checksum);
  if (parts.size() < kMaxParts) return;
  std::error_code ignored;
  std::ranges::sort(parts, std::greater(), [&](const fs::path& file) { return fs::last_write_time(file, ignored); });
  std::for_each(parts.begin() + kMaxParts - 1, parts.end(), remove_part);
}

Result<void> StateDir::make_room(const Digest& checksum, std::uint64_t size) {
  std::error_code error;
  const auto space = fs::space(dir_, error);
  if (error) return fail(Errc::server_fault, fmt::format("cannot examine {}: {}", dir_.string(), error.message()));
  const auto room = space.available + reserved(part(checksum));
  if (size <= room) return {};
  std::uint64_t others = 0;
  const auto parts = other_parts(checksum);
  for (const auto& file : parts) others += reserved(file);
  if (size > room + others) {
    return fail(Errc::disk_full, fmt::format("disk_full: the image has {} bytes, and {} are free for it in {}", size,
                                             room + others, dir_.string()));
  }
  std::ranges::for_each(parts, remove_part);
  return {};
}

void StateDir::prune_images(const std::string& version) {
  auto kept = image(version);
  for (const auto& file : files_in(dir_, [&](const fs::path& path) {
         return path.filename().string().starts_with("image-") && path != kept;
       })) {
    remove_quietly(file);
  }
}

void StateDir::drop_image(const std::string& version) { remove_quietly(image(version)); }

std::optional<std::string> warning_of_ancestors(const fs::path& state) {
  std::error_code error;
  auto folder = fs::canonical(state, error);
  if (error) return std::nullopt;
  while (folder.has_relative_path()) {
    folder = folder.parent_path();
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) return std::nullopt;
    const bool foreign = status.st_uid != 0 && status.st_uid != ::geteuid();
    const bool open = (status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status.st_mode & S_ISVTX) == 0;
    if (!foreign && !open) continue;
    const auto mode = status.st_mode & 07777;
    const auto why = foreign ? fmt::format("{} belongs to user {}", folder.string(), status.st_uid)
                             : fmt::format("others may write to {} (mode {:04o})", folder.string(), mode);
    return fmt::format("{}, so they can replace the state folder {}, whose content is installed: give another "
                       "--state-dir, or change the folder's owner or mode",
                       why, state.string());
  }
  return std::nullopt;
}

}  // namespace ota::agent
