// Makes writes and syncs of this program fail while a file says so: preloaded into a daemon, or linked into a test.
//
// The file is named by the environment's FAULT_FILE and holds one line, "sync 5 /path": what fails (`sync` or `write`),
// the errno, and on which file; a path that ends with a slash means every file below it.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

std::string contents(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char text[4096];
  const auto got = ::read(fd, text, sizeof text);
  ::close(fd);
  return got > 0 ? std::string(text, static_cast<std::size_t>(got)) : std::string();
}

std::atomic<int> failed = 0;

/// The errno that `what` on `fd` is to fail with; 0: none.
int fault(std::string_view what, int fd) {
  const char* const file = std::getenv("FAULT_FILE");
  if (file == nullptr) return 0;
  const auto rule = contents(file);
  char word[16];
  char path[4000];
  int number = 0;
  if (std::sscanf(rule.c_str(), "%15s %d %3999s", word, &number, path) != 3 || what != word) return 0;
  char target[4096];
  const auto length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target);
  if (length <= 0) return 0;
  const std::string_view opened(target, static_cast<std::size_t>(length));
  const std::string_view wanted(path);
  if (!(wanted.ends_with('/') ? opened.starts_with(wanted) : opened == wanted)) return 0;
  ++failed;
  return number;
}

template <class Call>
Call* next(const char* name) {
  return reinterpret_cast<Call*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

/// How many calls failed by a rule so far.
int fault_shim_failed() { return failed; }

int fsync(int fd) {
  if ((errno = fault("sync", fd)) != 0) return -1;
  static auto* const real = next<int(int)>("fsync");
  return real(fd);
}

int fdatasync(int fd) {
  if ((errno = fault("sync", fd)) != 0) return -1;
  static auto* const real = next<int(int)>("fdatasync");
  return real(fd);
}

ssize_t write(int fd, const void* bytes, size_t count) {
  if (const int number = fault("write", fd)) return errno = number, -1;
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  return real(fd, bytes, count);
}

ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  if (const int number = fault("write", fd)) return errno = number, -1;
  static auto* const real = next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return real(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t offset) {
  if (const int number = fault("write", fd)) return errno = number, -1;
  static auto* const real = next<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  return real(fd, bytes, count, offset);
}

}  // extern "C"
