// Files: open ones, and small ones that are replaced whole.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ota/base/result.hpp"

namespace ota {

/// The errors of all of these: Errc::disk_full where the file system takes no more (its message names the folder and
/// the free bytes), Errc::not_found where there is no such file, Errc::image_damaged where the medium can't be read
/// (EIO on reading or opening), else Errc::server_fault.
Error io_error(int number, std::string_view action, const std::filesystem::path& path);

/// An open file, closed when the object goes.
class File {
 public:
  File() = default;
  ~File();
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}
  File& operator=(File&& other) noexcept;

  /// `flags` as of open(2), close-on-exec added; `mode`: of a new file.
  static Result<File> open(const std::filesystem::path& path, int flags, mode_t mode = 0640);
  /// A new file of its own in `dir`, 0640, for reading and writing.
  static Result<File> temporary(const std::filesystem::path& dir, std::string_view prefix);

  int descriptor() const noexcept { return fd_; }
  /// The descriptor becomes the caller's to close.
  int release() noexcept { return std::exchange(fd_, -1); }
  const std::filesystem::path& path() const noexcept { return path_; }

  Result<void> write_at(std::span<const char> bytes, std::uint64_t offset) const;
  /// Sends what was written to the disk without waiting, so that sync() has less left to do.
  void start_writeback(std::uint64_t offset, std::uint64_t length) const;
  Result<void> sync() const;
  Result<std::uint64_t> size() const;
  /// Takes the advisory lock on the file or folder (flock), which goes when it is closed or the process ends in any
  /// way. False where somebody else holds it.
  Result<bool> lock() const;

 private:
  File(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}

  int fd_ = -1;
  std::filesystem::path path_;
};

/// Reads until `bytes` is full or the file ends; answers how many. `path` is for the error's words. Thread-safe.
Result<std::size_t> read_at(int descriptor, std::span<char> bytes, std::uint64_t offset,
                            const std::filesystem::path& path);

/// Whether there is something else than a regular file: a FIFO, a device, a folder. To open or to read it may never end.
bool is_special(const std::filesystem::path& path);

/// All of a regular file of at most `max_bytes`; a longer one is Errc::too_large. Never waits for a writer.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes);

Result<void> rename_file(const std::filesystem::path& from, const std::filesystem::path& to);
/// Makes names that were made, changed or removed in the folder outlive a power cut.
Result<void> sync_folder(const std::filesystem::path& dir);
/// rename_file() and sync_folder(); both names are in one folder.
Result<void> rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);
/// After a crash or a power cut `path` has its old content or `content`, whole: that is written to `<path>.new`,
/// synced, and renamed. `mode`: of the file that is new.
Result<void> write_durably(const std::filesystem::path& path, std::string_view content, mode_t mode);

/// Bytes that an ordinary user may still write to the file system of `dir`.
Result<std::uint64_t> free_bytes_of(const std::filesystem::path& dir);

}  // namespace ota
