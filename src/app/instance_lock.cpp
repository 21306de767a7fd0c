#include "app/instance_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace ota::app {
namespace {

std::string holder(int fd) {
  std::array<char, 32> text{};
  const auto size = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string_view digits(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  digits = digits.substr(0, digits.find_first_not_of("0123456789"));
  return digits.empty() ? std::string("another otad") : fmt::format("another otad (process {})", digits);
}

/// What goes wrong with this file is no fault of the settings.
Error fault(Error error) {
  error.code = Errc::server_fault;
  return error;
}

}  // namespace

Result<File> lock_database(const std::string& database) {
  const auto path = database + ".lock";
  auto file = File::open(path, O_RDWR | O_CREAT);
  if (!file) return fault(file.error());
  const auto locked = file->lock();
  if (!locked) return fault(locked.error());
  if (!*locked)
    return fail(Errc::server_fault, fmt::format("{} already uses the database {}: stop it first",
                                                holder(file->descriptor()), database));
  if (::ftruncate(file->descriptor(), 0) != 0) return fault(io_error(errno, "empty", path));
  if (auto written = file->write_at(fmt::format("{}\n", ::getpid()), 0); !written) return fault(written.error());
  return file;
}

}  // namespace ota::app
