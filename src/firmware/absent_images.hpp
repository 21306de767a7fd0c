// Images in the catalogue that can't be served: their file is missing or corrupt.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "ota/base/mutex.hpp"
#include "ota/domain/digest.hpp"

namespace ota::firmware {

/// Identifies the state of a file, to detect whether it changed since it was read.
struct FileMark {
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t changed_ns = 0;  ///< of its content or its name
  bool operator==(const FileMark&) const = default;
};

/// Nothing where there is no ordinary file.
std::optional<FileMark> mark_of(const std::filesystem::path& path);

struct AbsentImage {
  std::uint64_t size = 0;
  bool damaged = false;                ///< else it is only not there
  std::optional<FileMark> read_image;  ///< the `.img` that had another digest
  std::optional<FileMark> read_aside;  ///< the same of the `.damaged`
};

/// Thread-safe; no other lock is taken while its lock is held.
class AbsentImages {
 public:
  void put(const Digest& image, const AbsentImage& absent);
  void remove(const Digest& image);
  /// Missing, and not known as damaged. Costs one atomic load if no image is absent.
  bool missing(const Digest& image) const;
  bool contains(const Digest& image) const;
  std::vector<std::pair<Digest, AbsentImage>> all() const;

 private:
  std::atomic<std::size_t> count_{0};
  mutable Mutex mutex_;
  std::map<Digest, AbsentImage> images_ OTA_GUARDED_BY(mutex_);
};

}  // namespace ota::firmware
