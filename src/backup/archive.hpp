// A tar archive compressed with zstd, over libarchive. One thread's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ota/base/clock.hpp"
#include "ota/base/file.hpp"
#include "ota/base/result.hpp"

struct archive;

namespace ota::backup {

struct CloseArchive {
  void operator()(archive* handle) const;
};
using Handle = std::unique_ptr<archive, CloseArchive>;


class ArchiveWriter {
 public:
  /// A new file, 0600.
  static Result<ArchiveWriter> create(const std::filesystem::path& path);

  /// A regular file of that size, whose `source` fills a buffer and answers how much; shorter than `size` is an error.
  using Source = std::function<Result<std::size_t>(std::span<char>)>;
  Result<void> add(const std::string& name, std::uint64_t size, WallTime changed, const Source& source);
  /// Ends the archive and brings it to the disk.
  Result<void> finish();

 private:
  ArchiveWriter(File file, Handle handle) : file_(std::move(file)), handle_(std::move(handle)) {}
  Error failed(const std::string& action) const;

  File file_;
  Handle handle_;
};

class ArchiveReader {
 public:
  static Result<ArchiveReader> open(const std::filesystem::path& path);

  struct Item {
    std::string name;
    std::uint64_t size = 0;
  };
  /// The next regular file; nothing at the end. Anything else in it is Errc::malformed.
  Result<std::optional<Item>> next();
  /// Of that file; 0 at its end.
  Result<std::size_t> read(std::span<char> bytes);

 private:
  ArchiveReader(std::filesystem::path path, Handle handle) : path_(std::move(path)), handle_(std::move(handle)) {}
  Error failed() const;

  std::filesystem::path path_;
  Handle handle_;
};

}  // namespace ota::backup
