#include "firmware/folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "ota/base/log.hpp"

namespace ota::firmware {

namespace fs = std::filesystem;

Result<void> make_folder(const fs::path& dir) {
  if (::mkdir(dir.c_str(), 0750) != 0 && errno != EEXIST) return io_error(errno, "make the folder", dir);
  if (::access(dir.c_str(), R_OK | W_OK | X_OK) != 0) return io_error(errno, "write to the folder", dir);
  return {};
}

Result<File> lock_folder(const fs::path& dir) {
  auto folder = File::open(dir, O_RDONLY | O_DIRECTORY);
  if (!folder) return folder.error();
  const auto locked = folder->lock();
  if (!locked) return locked.error();
  if (*locked) return folder;
  return fail(Errc::in_use, fmt::format("another otad uses the firmware folder {}; stop it or set another "
                                        "storage.firmware_dir",
                                        dir.string()));
}

void remove_file(const fs::path& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return;
  log::warn(io_error(errno, "remove", path).message);
}

std::vector<std::string> files_in(const fs::path& dir) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(dir, error); !error && at != fs::directory_iterator(); at.increment(error)) {
    std::error_code unknown;
    if (at->is_regular_file(unknown)) names.push_back(at->path().filename().string());
  }
  if (error) log::warn(fmt::format("can't read the folder {}: {}", dir.string(), error.message()));
  return names;
}

}  // namespace ota::firmware
