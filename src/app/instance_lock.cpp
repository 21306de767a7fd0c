#include "app/instance_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ota::app {
namespace {

std::string holder(int fd) {
  std::array<char, 32> text{};
  const auto size = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string_view digits(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  digits = digits.substr(0, digits.find_first_not_of("0123456789"));
  return digits.empty() ? std::string("another otad") : fmt::format("another otad (process {})", digits);
}

Error cannot_lock(const std::string& path) {
  return fail(Errc::server_fault, fmt::format("{} can't be locked: {}", path, std::strerror(errno)));
}

Result<int> lock(const std::string& path, const std::string& database) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0) return cannot_lock(path);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  auto error = errno == EWOULDBLOCK
                   ? fail(Errc::server_fault,
                          fmt::format("{} works with the database {} already: stop it first", holder(fd), database))
                   : cannot_lock(path);
  ::close(fd);
  return error;
}

}  // namespace

Result<InstanceLock> InstanceLock::take(const std::string& database) {
  const auto file = database + ".lock";
  const auto fd = lock(file, database);
  if (!fd) return fd.error();
  InstanceLock taken(*fd);
  const auto text = fmt::format("{}\n", ::getpid());
  if (::ftruncate(*fd, 0) != 0 || ::pwrite(*fd, text.data(), text.size(), 0) < 0) return cannot_lock(file);
  return taken;
}

InstanceLock::InstanceLock(InstanceLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

InstanceLock& InstanceLock::operator=(InstanceLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

InstanceLock::~InstanceLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace ota::app
