#include "agent/image_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "ota/firmware/hash.hpp"

namespace ota::agent {
namespace {

constexpr std::size_t kReadBytes = 1u << 20;

Error failed(const char* what, const std::filesystem::path& file, int error = errno) {
  return fail(error == ENOSPC || error == EFBIG ? Errc::disk_full : Errc::server_fault,
              fmt::format("cannot {} {}: {}", what, file.string(), std::strerror(error)));
}

// Of the bytes that there are, up to `size`.
std::size_t read_at(int fd, char* to, std::size_t size, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < size) {
    auto got = pread(fd, to + done, size - done, static_cast<off_t>(offset + done));
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<Digest> digest_of(int fd, const std::filesystem::path& file) {
  if (fsync(fd) != 0) return failed("sync", file);
  firmware::Sha256 hash;
  std::vector<char> buffer(kReadBytes);
  for (std::uint64_t offset = 0;;) {
    auto got = read_at(fd, buffer.data(), buffer.size(), offset);
    if (got == 0) break;
    hash.update({buffer.data(), got});
    offset += got;
  }
  return hash.finish();
}

}  // namespace

ImageFile::ImageFile(int fd, std::filesystem::path file, ChunkGrid grid, std::vector<Digest> digests)
    : fd_(fd), file_(std::move(file)), grid_(grid), digests_(std::move(digests)), have_(grid.count()) {}

ImageFile::ImageFile(ImageFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      file_(std::move(other.file_)),
      grid_(other.grid_),
      digests_(std::move(other.digests_)),
      have_(std::move(other.have_)) {}

ImageFile& ImageFile::operator=(ImageFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(file_, other.file_);
  std::swap(grid_, other.grid_);
  std::swap(digests_, other.digests_);
  std::swap(have_, other.have_);
  return *this;
}

ImageFile::~ImageFile() {
  if (fd_ >= 0) close(fd_);
}

Result<ImageFile> ImageFile::open(std::filesystem::path file, ChunkGrid grid, std::vector<Digest> digests) {
  int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return failed("open", file);
  ImageFile image(fd, std::move(file), grid, std::move(digests));
  struct stat status {};
  if (fstat(fd, &status) != 0) return failed("examine", image.file_);
  auto there = static_cast<std::uint64_t>(status.st_size);
  // Its full length is reserved before the first chunk, so a shorter one holds nothing of worth.
  if (there == grid.size) {
    std::vector<char> buffer;
    for (std::uint32_t i = 0; i < grid.count(); ++i) {
      if (image.right_on_disk(i, buffer)) image.have_.set({i, i});
    }
    return image;
  }
  if (ftruncate(fd, 0) != 0) return failed("empty", image.file_);
  int error = posix_fallocate(fd, 0, static_cast<off_t>(grid.size));
  if (error != 0) {
    unlink(image.file_.c_str());
    return failed("reserve room for", image.file_, error);
  }
  return image;
}

std::uint64_t ImageFile::bytes() const noexcept {
  auto last = grid_.count() - 1;
  std::uint64_t all = std::uint64_t{have_.have()} * grid_.chunk_bytes;
  return have_.test(last) ? all - (grid_.chunk_bytes - grid_.length(last)) : all;
}

bool ImageFile::right_on_disk(std::uint32_t index, std::vector<char>& buffer) const {
  buffer.resize(grid_.length(index));
  if (read_at(fd_, buffer.data(), buffer.size(), grid_.offset(index)) != buffer.size()) return false;
  return firmware::sha256({buffer.data(), buffer.size()}) == digests_[index];
}

Result<bool> ImageFile::put(std::uint32_t index, std::string_view bytes) {
  if (bytes.size() != grid_.length(index) || firmware::sha256(bytes) != digests_[index]) return false;
  std::size_t done = 0;
  while (done < bytes.size()) {
    auto wrote = pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(grid_.offset(index) + done));
    if (wrote < 0) return failed("write", file_);
    done += static_cast<std::size_t>(wrote);
  }
  have_.set({index, index});
  return true;
}

void ImageFile::forget(const ChunkRanges& ranges) {
  for (const auto& range : ranges) have_.clear(range);
}

ChunkRanges ImageFile::recheck() {
  ChunkBitmap right_or_missing(grid_.count());
  std::vector<char> buffer;
  for (std::uint32_t i = 0; i < grid_.count(); ++i) {
    if (!have_.test(i) || right_on_disk(i, buffer)) right_or_missing.set({i, i});
  }
  auto wrong = right_or_missing.missing();
  forget(wrong);
  return wrong;
}

Result<Digest> ImageFile::digest() { return digest_of(fd_, file_); }

Result<Digest> file_digest(const std::filesystem::path& file) {
  int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed("open", file);
  auto digest = digest_of(fd, file);
  close(fd);
  return digest;
}

}  // namespace ota::agent
