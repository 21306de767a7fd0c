#include "agent/files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ota/base/file.hpp"

namespace ota::agent {
namespace {

constexpr std::size_t kMaxSmallFile = 1u << 20;

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

Result<std::string> read_small_file(const std::filesystem::path& file) {
  return read_file(file, kMaxSmallFile);
}

Result<void> check_regular(std::string_view what, const std::filesystem::path& file) {
  if (!is_special(file)) return {};
  return fail(Errc::malformed, fmt::format("{}: {} is no regular file", what, file.string()));
}

Result<void> check_unchangeable(std::string_view what, const std::filesystem::path& file) {
  return check_access(what, file, 0002, "o-w");
}

Result<void> check_private(std::string_view what, const std::filesystem::path& file) {
  if (auto regular = check_regular(what, file); !regular) return regular;
  return check_access(what, file, 0007, "o-rwx");
}

}  // namespace ota::agent
