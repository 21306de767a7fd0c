// An open file, closed when the object goes; the only place that calls open, pread, pwrite and fsync.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ota/base/result.hpp"
#include "ota/firmware/read_at.hpp"

namespace ota::firmware {

/// The errors of all of these: Errc::disk_full where the file system takes no more (its message names the folder and
/// the free bytes), Errc::not_found where there is no such file, Errc::image_damaged where the medium can't be read
/// (EIO on reading or opening), else Errc::server_fault.
Error io_error(int number, std::string_view action, const std::filesystem::path& path);

class File {
 public:
  File() = default;
  ~File();
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}
  File& operator=(File&& other) noexcept;

  /// `flags` as of open(2), close-on-exec added; a new file is 0640.
  static Result<File> open(const std::filesystem::path& path, int flags);
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

 private:
  File(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}

  int fd_ = -1;
  std::filesystem::path path_;
};

/// All of a file of at most `max_bytes`; a longer one is Errc::too_large.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes);

Result<void> rename_file(const std::filesystem::path& from, const std::filesystem::path& to);
Result<void> sync_folder(const std::filesystem::path& dir);
/// Bytes that an ordinary user may still write to the file system of `dir`.
Result<std::uint64_t> free_bytes_of(const std::filesystem::path& dir);

}  // namespace ota::firmware
