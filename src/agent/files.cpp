#include "agent/files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

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

std::optional<std::string> read_small_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  std::string content(kMaxSmallFile, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(in.gcount()));
  return content;
}

Result<void> check_unchangeable(std::string_view what, const std::filesystem::path& file) {
  return check_access(what, file, 0002, "o-w");
}

Result<void> check_private(std::string_view what, const std::filesystem::path& file) {
  return check_access(what, file, 0007, "o-rwx");
}

}  // namespace ota::agent
