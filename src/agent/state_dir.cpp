#include "agent/state_dir.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
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

// Held by the descriptor that is answered; nothing where another holds it. Goes with the process, however it ends.
std::shared_ptr<const int> lock_folder(const fs::path& dir) {
  int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return nullptr;
  }
  return {new int(fd), [](const int* held) {
            ::close(*held);
            delete held;
          }};
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
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) return fail(Errc::server_fault, fmt::format("cannot create {}: {}", dir.string(), error.message()));
  auto lock = lock_folder(dir);
  if (!lock)
    return fail(Errc::in_use,
                fmt::format("another agent uses {}: end it, or give this one another state folder", dir.string()));
  return StateDir(dir, std::move(lock));
}

std::string StateDir::current_version() const {
  auto content = read_small_file(dir_ / "device.json");
  return content ? text_field(*content, "current_version") : std::string();
}

Result<void> StateDir::set_current_version(const std::string& version) {
  return write_file_safely(dir_ / "device.json", nlohmann::json{{"current_version", version}}.dump());
}

std::optional<KeptTask> StateDir::task() const {
  auto content = read_small_file(dir_ / "task.json");
  return content ? task_from_json(*content) : std::nullopt;
}

Result<void> StateDir::keep_task(const Task& task, std::string_view phase, bool confirm) {
  return write_file_safely(dir_ / "task.json", task_to_json(task, phase, confirm));
}

void StateDir::drop_task() { remove_quietly(dir_ / "task.json"); }

fs::path StateDir::part(const Digest& checksum) const { return dir_ / (to_hex(checksum) + ".part"); }
fs::path StateDir::image(const std::string& version) const { return dir_ / ("image-" + version); }
void StateDir::drop_part(const Digest& checksum) { remove_part(part(checksum)); }

void StateDir::prune_parts(const Digest& checksum) {
  auto kept = part(checksum);
  auto parts = files_in(dir_, [&](const fs::path& file) { return file.extension() == ".part" && file != kept; });
  if (parts.size() < kMaxParts) return;
  std::error_code ignored;
  std::ranges::sort(parts, std::greater(), [&](const fs::path& file) { return fs::last_write_time(file, ignored); });
  std::for_each(parts.begin() + kMaxParts - 1, parts.end(), remove_part);
}

void StateDir::prune_images(const std::string& version) {
  auto kept = image(version);
  for (const auto& file : files_in(dir_, [&](const fs::path& path) {
         return path.filename().string().starts_with("image-") && path != kept;
       })) {
    remove_quietly(file);
  }
}

}  // namespace ota::agent
