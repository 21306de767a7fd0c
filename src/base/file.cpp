#include "ota/base/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace ota {
namespace fs = std::filesystem;

static_assert(sizeof(off_t) == 8, "images may be larger than 2 GiB: build with _FILE_OFFSET_BITS=64");

Error io_error(int number, std::string_view action, const fs::path& path) {
  const auto cause = std::generic_category().message(number);
  if (number == ENOSPC || number == EDQUOT || number == EFBIG) {
    std::error_code unknown;
    const auto folder = fs::is_directory(path, unknown) ? path : path.parent_path();
    const auto free = free_bytes_of(folder);
    return fail(Errc::disk_full, fmt::format("the file system of {} takes no more ({}; {} bytes free); make room there",
                                             folder.string(), cause, free ? std::to_string(*free) : "unknown"));
  }
  const auto code = number == ENOENT ? Errc::not_found : number == EIO ? Errc::image_damaged : Errc::server_fault;
  return fail(code, fmt::format("can't {} {}: {}", action, path.string(), cause));
}

namespace {

constexpr std::uint64_t kLeastRead = 4095;

/// A failed write doesn't mean that stored data is corrupt.
Error write_error(int number, std::string_view action, const fs::path& path) {
  auto error = io_error(number, action, path);
  if (error.code == Errc::image_damaged) error.code = Errc::server_fault;
  return error;
}

}  // namespace

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

File& File::operator=(File&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

Result<File> File::open(const fs::path& path, int flags, mode_t mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return io_error(errno, "open", path);
  return File(fd, path);
}

Result<File> File::temporary(const fs::path& dir, std::string_view prefix) {
  auto name = (dir / fmt::format("{}-XXXXXX", prefix)).string();
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return write_error(errno, "make a file in", dir);
  File file(fd, name);
  if (::fchmod(fd, 0640) != 0) return io_error(errno, "set the mode of", file.path());
  return file;
}

Result<void> File::write_at(std::span<const char> bytes, std::uint64_t offset) const {
  while (!bytes.empty()) {
    const auto written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return write_error(written < 0 ? errno : ENOSPC, "write", path_);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

void File::start_writeback(std::uint64_t offset, std::uint64_t length) const {
  // A hint: where the file system can't, sync() does all of the work and finds every fault.
  ::sync_file_range(fd_, static_cast<off_t>(offset), static_cast<off_t>(length), SYNC_FILE_RANGE_WRITE);
}

Result<void> File::sync() const {
  if (::fsync(fd_) != 0) return write_error(errno, "sync", path_);
  return {};
}

Result<std::uint64_t> File::size() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) return io_error(errno, "look at", path_);
  return static_cast<std::uint64_t>(status.st_size);
}

Result<bool> File::lock() const {
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  return io_error(errno, "lock", path_);
}

Result<std::size_t> read_at(int descriptor, std::span<char> bytes, std::uint64_t offset, const fs::path& path) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto got = ::pread(descriptor, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error(errno, "read", path);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

bool is_special(const fs::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

Result<std::string> read_file(const fs::path& path, std::size_t max_bytes) {
  // A FIFO would wait for a writer.
  const auto file = File::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) return file.error();
  struct stat status {};
  if (::fstat(file->descriptor(), &status) != 0) return io_error(errno, "look at", path);
  if (!S_ISREG(status.st_mode)) return fail(Errc::server_fault, fmt::format("{} is no regular file", path.string()));
  const auto size = static_cast<std::uint64_t>(status.st_size);
  std::string bytes;
  // One of /proc has the size 0, and others may grow meanwhile.
  for (std::size_t wanted = std::max(size, kLeastRead) + 1; size <= max_bytes && bytes.size() <= max_bytes;) {
    const auto before = bytes.size();
    bytes.resize(std::min(before + wanted, max_bytes + 1));
    const auto got = read_at(file->descriptor(), std::span(bytes).subspan(before), before, path);
    if (!got) return got.error();
    const bool whole = before + *got < bytes.size();
    bytes.resize(before + *got);
    if (whole) return bytes;
  }
  return fail(Errc::too_large, fmt::format("{} is larger than expected", path.string()));
}

Result<void> rename_file(const fs::path& from, const fs::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0)
    return write_error(errno, "rename to " + to.string() + " the file", from);
  return {};
}

Result<void> sync_folder(const fs::path& dir) {
  const auto folder = File::open(dir.empty() ? "." : dir, O_RDONLY | O_DIRECTORY);
  if (!folder) return folder.error();
  return folder->sync();
}

Result<void> rename_durably(const fs::path& from, const fs::path& to) {
  if (auto renamed = rename_file(from, to); !renamed) return renamed;
  return sync_folder(to.parent_path());
}

Result<void> write_durably(const fs::path& path, std::string_view content, mode_t mode) {
  const fs::path fresh = path.string() + ".new";
  const auto file = File::open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
  if (!file) return file.error();
  if (auto written = file->write_at(content, 0); !written) return written;
  if (auto synced = file->sync(); !synced) return synced;
  return rename_durably(fresh, path);
}

Result<std::uint64_t> free_bytes_of(const fs::path& dir) {
  struct statvfs status {};
  if (::statvfs(dir.c_str(), &status) != 0) {
    const int number = errno;
    return fail(Errc::server_fault, fmt::format("can't ask for the free bytes of {}: {}", dir.string(),
                                                std::generic_category().message(number)));
  }
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

}  // namespace ota
