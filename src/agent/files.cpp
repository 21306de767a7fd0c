#include "agent/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace ota::agent {
namespace {

constexpr std::size_t kMaxSmallFile = 1u << 20;

Error failed(const char* what, const std::filesystem::path& file) {
  int error = errno;
  return fail(error == ENOSPC ? Errc::disk_full : Errc::server_fault,
              fmt::format("cannot {} {}: {}", what, file.string(), std::strerror(error)));
}

bool sync_folder(const std::filesystem::path& folder) {
  int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  bool ok = fsync(fd) == 0;
  close(fd);
  return ok;
}

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    auto written = write(fd, content.data(), content.size());
    if (written < 0) return false;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

Result<void> check_access(std::string_view what, const std::filesystem::path& file, mode_t closed, const char* change) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) {
    return fail(Errc::malformed, fmt::format("{}: {}: {}", what, file.string(), std::strerror(errno)));
  }
  if (status.st_uid != geteuid() && status.st_uid != 0) {
    return fail(Errc::forbidden, fmt::format("{}: {} belongs to user {}, who may change it: chown it", what,
                                             file.string(), status.st_uid));
  }
  if ((status.st_mode & closed) != 0) {
    return fail(Errc::forbidden, fmt::format("{}: {} is open to others (mode {:04o}): chmod {} {}", what, file.string(),
                                             status.st_mode & 07777, change, file.string()));
  }
  return {};
}

}  // namespace

std::optional<std::string> read_small_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  std::string content(kMaxSmallFile, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(in.gcount()));
  return content;
}

Result<void> write_file_safely(const std::filesystem::path& file, std::string_view content) {
  auto beside = file;
  beside += ".new";
  int fd = open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed("create", beside);
  bool written = write_all(fd, content) && fsync(fd) == 0;
  auto error = written ? Error{} : failed("write", beside);
  close(fd);
  if (!written) return error;
  return rename_safely(beside, file);
}

Result<void> rename_safely(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) return failed("rename to", to);
  if (!sync_folder(to.parent_path())) return failed("sync the folder of", to);
  return {};
}

Result<void> check_unchangeable(std::string_view what, const std::filesystem::path& file) {
  return check_access(what, file, 0002, "o-w");
}

Result<void> check_private(std::string_view what, const std::filesystem::path& file) {
  return check_access(what, file, 0007, "o-rwx");
}

}  // namespace ota::agent
