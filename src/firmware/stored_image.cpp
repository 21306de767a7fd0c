#include "firmware/stored_image.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>
#include <utility>

#include "ota/base/file.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::firmware {

std::span<char> block_buffer() {
  thread_local std::vector<char> buffer(kBlockBytes);
  return buffer;
}

namespace {

/// When a file was last changed, in nanoseconds since 1970: the time that nobody can set, unlike that of its content.
std::int64_t changed_at(int descriptor) noexcept {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return -1;
  return std::int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec;
}

}  // namespace

StoredImage::StoredImage(const Digest& digest, std::uint64_t size, std::filesystem::path path, ImageKeeper& keeper)
    : digest_(digest),
      blocks_{size, kBlockBytes},
      path_(std::move(path)),
      keeper_(keeper),
      checked_(blocks_.count() / 64 + 1) {}

StoredImage::~StoredImage() {
  if (descriptor() >= 0) ::close(descriptor());
}

Result<void> StoredImage::open() {
  if (descriptor() >= 0) return {};
  auto file = File::open(path_, O_RDONLY);
  if (!file) return file.error();
  // Of two that open it at once, the second's descriptor is closed with `file`.
  int none = -1;
  if (descriptor_.compare_exchange_strong(none, file->descriptor(), std::memory_order_acq_rel)) file->release();
  return {};
}

bool StoredImage::is_checked(std::uint32_t block) const noexcept {
  return (checked_[block / 64].load(std::memory_order_acquire) >> (block % 64) & 1) != 0;
}

void StoredImage::mark_checked(std::uint32_t block, std::int64_t since) noexcept {
  checked_[block / 64].fetch_or(std::uint64_t{1} << (block % 64), std::memory_order_acq_rel);
  // In this order: who notes the change clears the mark if this doesn't see it.
  if (changed_at(descriptor()) != since)
    checked_[block / 64].fetch_and(~(std::uint64_t{1} << (block % 64)), std::memory_order_acq_rel);
}

void StoredImage::mark_all_checked(std::int64_t since) noexcept {
  for (std::uint32_t block = 0; block < blocks_.count(); ++block) mark_checked(block, since);
}

std::int64_t StoredImage::note_changes() noexcept {
  const auto now = changed_at(descriptor());
  if (noted_.load(std::memory_order_acquire) != now) {
    for (auto& word : checked_) word.store(0, std::memory_order_release);
    noted_.store(now, std::memory_order_release);
  }
  return now;
}

bool StoredImage::checked(std::uint64_t offset, std::uint64_t length) const noexcept {
  if (damaged() || offset > size() || length > size() - offset) return false;
  if (length == 0) return true;
  const auto last = static_cast<std::uint32_t>((offset + length - 1) / kBlockBytes);
  for (auto block = static_cast<std::uint32_t>(offset / kBlockBytes); block <= last; ++block) {
    if (!is_checked(block)) return false;
  }
  return changed_at(descriptor()) == noted_.load(std::memory_order_acquire);
}

void StoredImage::invalidate(std::uint64_t offset, std::uint64_t length) noexcept {
  if (length == 0 || offset >= size() || length > size() - offset) return;
  const auto last = static_cast<std::uint32_t>((offset + length - 1) / kBlockBytes);
  for (auto block = static_cast<std::uint32_t>(offset / kBlockBytes); block <= last; ++block)
    checked_[block / 64].fetch_and(~(std::uint64_t{1} << (block % 64)), std::memory_order_acq_rel);
}

Result<std::span<const char>> StoredImage::read_block(std::uint32_t index, std::span<char> buffer) {
  const auto bytes = buffer.first(blocks_.length(index));
  const auto got = read_at(descriptor(), bytes, blocks_.offset(index), path_);
  if (!got) return got.error();
  if (*got == bytes.size()) return std::span<const char>(bytes);
  return fail(Errc::image_damaged,
              fmt::format("{} ends after {} of {} bytes", path_.string(), blocks_.offset(index) + *got, size()));
}

Result<std::span<const char>> StoredImage::verify_block(std::uint32_t index, const Manifest& digests,
                                                        std::span<char> buffer) {
  const auto since = note_changes();
  const auto bytes = read_block(index, buffer);
  if (!bytes) return bytes.error();
  if (sha256(std::string_view(bytes->data(), bytes->size())) != digests[index]) {
    return fail(Errc::image_damaged,
                fmt::format("{} bytes from offset {} no longer match their digest",
                            bytes->size(), blocks_.offset(index)));
  }
  mark_checked(index, since);
  return *bytes;
}

Result<bool> StoredImage::check_slice(std::uint32_t& next, std::uint32_t last) {
  if (damaged()) return fail(Errc::image_damaged, fmt::format("the image {} was quarantined", to_checksum(digest_)));
  if (keeper_.stopping()) return fail(Errc::cancelled, "the image store is closing");
  if (const auto opened = open(); !opened) return opened.error();
  const auto digests = keeper_.block_digests(*this);
  if (!digests) return digests.error();
  note_changes();
  for (std::uint32_t budget = kSliceBlocks; next <= last && budget > 0; ++next) {
    if (is_checked(next)) continue;
    const auto bytes = verify_block(next, **digests, block_buffer());
    if (!bytes) return bytes.error();
    --budget;
  }
  return next <= last;
}

void StoredImage::check(std::uint64_t offset, std::uint64_t length, std::function<void(Result<void>)> done) {
  if (length == 0 || offset >= size() || length > size() - offset) {
    return done(fail(Errc::malformed,
                     fmt::format("{1} bytes from offset {0} are outside an image of {2} bytes",
                                 offset, length, size())));
  }
  const auto last = static_cast<std::uint32_t>((offset + length - 1) / kBlockBytes);
  const auto step = [self = shared_from_this(), next = static_cast<std::uint32_t>(offset / kBlockBytes), last,
                     done]() mutable {
    const auto more = self->check_slice(next, last);
    if (more && *more) return true;
    if (more) {
      done({});
    } else if ((more.error().code == Errc::image_damaged || more.error().code == Errc::not_found) && !self->damaged()) {
      done(self->keeper_.quarantine(*self, more.error()));
    } else {
      done(more.error());
    }
    return false;
  };
  if (!keeper_.in_slices(step)) done(Error{Errc::overloaded, "too many disk jobs wait; try again", {}, 1});
}

}  // namespace ota::firmware
