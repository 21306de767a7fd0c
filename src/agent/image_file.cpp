#include "agent/image_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "ota/firmware/hash.hpp"
#include "ota/firmware/read_at.hpp"

namespace ota::agent {
namespace {

static_assert(sizeof(off_t) == 8, "images may be larger than 2 GiB: build with _FILE_OFFSET_BITS=64");

constexpr std::size_t kReadBytes = 1u << 20;
constexpr std::size_t kHeadBytes = 64;  // of the file of digests

Error failed(const char* what, const std::filesystem::path& file, int error = errno) {
  return fail(error == ENOSPC || error == EFBIG ? Errc::disk_full : Errc::server_fault,
              fmt::format("cannot {} {}: {}", what, file.string(), std::strerror(error)));
}

Result<Digest> digest_of(int fd, const std::filesystem::path& file) {
  if (fsync(fd) != 0) return failed("sync", file);
  firmware::Sha256 hash;
  std::vector<char> buffer(kReadBytes);
  for (std::uint64_t offset = 0;;) {
    const auto got = firmware::read_at(fd, buffer, offset, file);
    if (!got) return got.error();
    if (*got == 0) break;
    hash.update({buffer.data(), *got});
    offset += *got;
  }
  return hash.finish();
}

std::string head_of(const ChunkGrid& grid) {
  auto head = fmt::format("otad digests {} {}", grid.size, grid.chunk_bytes);
  head.resize(kHeadBytes, '\n');
  return head;
}

bool is_known(const Digest& digest) { return digest != Digest{}; }

// Written whole and read back after a power cut or not at all: a torn one costs chunks, never a wrong image.
void write_digests(const std::filesystem::path& file, const ChunkGrid& grid, const std::vector<Digest>& digests) {
  auto content = head_of(grid);
  content.append(reinterpret_cast<const char*>(digests.data()), digests.size() * sizeof(Digest));
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
}

}  // namespace

ImageFile::ImageFile(int fd, std::filesystem::path file, ChunkGrid grid, std::vector<Digest> digests)
    : fd_(fd), file_(std::move(file)), grid_(grid), digests_(std::move(digests)), have_(grid.count()) {
  learning_ = digests_.empty();
  if (learning_) recall_digests();
}

std::filesystem::path ImageFile::digests_file(const std::filesystem::path& file) { return file.string() + ".digests"; }

void ImageFile::recall_digests() {
  digests_.assign(grid_.count(), Digest{});
  std::ifstream in(digests_file(file_), std::ios::binary);
  std::string head(kHeadBytes, '\0');
  if (in.read(head.data(), static_cast<std::streamsize>(head.size())) && head == head_of(grid_))
    in.read(reinterpret_cast<char*>(digests_.data()), static_cast<std::streamsize>(digests_.size() * sizeof(Digest)));
  else
    write_digests(digests_file(file_), grid_, digests_);
}

// One that its chunk on disk doesn't bear out may be torn itself.
void ImageFile::doubt_digests() {
  if (!learning_) return;
  for (std::uint32_t i = 0; i < grid_.count(); ++i)
    if (!have_.test(i)) digests_[i] = Digest{};
  unknown_ = grid_.count() - have_.have();
}

Result<void> ImageFile::keep_digest(std::uint32_t index, const Digest& digest) {
  if (is_known(digests_[index]) != is_known(digest)) is_known(digest) ? --unknown_ : ++unknown_;
  digests_[index] = digest;
  std::fstream out(digests_file(file_), std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(static_cast<std::streamoff>(kHeadBytes + std::size_t{index} * sizeof(Digest)));
  out.write(reinterpret_cast<const char*>(digest.data()), sizeof(Digest));
  if (out.flush()) return {};
  return failed("write", digests_file(file_));
}

ImageFile::ImageFile(ImageFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      file_(std::move(other.file_)),
      grid_(other.grid_),
      digests_(std::move(other.digests_)),
      unknown_(other.unknown_),
      learning_(other.learning_),
      have_(std::move(other.have_)) {}

ImageFile& ImageFile::operator=(ImageFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(file_, other.file_);
  std::swap(grid_, other.grid_);
  std::swap(digests_, other.digests_);
  std::swap(unknown_, other.unknown_);
  std::swap(learning_, other.learning_);
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
  if (!image.learning_) write_digests(digests_file(image.file_), grid, image.digests_);
  struct stat status {};
  if (fstat(fd, &status) != 0) return failed("examine", image.file_);
  auto there = static_cast<std::uint64_t>(status.st_size);
  // Its full length is reserved before the first chunk, so a shorter one holds nothing of worth.
  if (there == grid.size) {
    std::vector<char> buffer;
    for (std::uint32_t i = 0; i < grid.count(); ++i) {
      if (image.right_on_disk(i, buffer)) image.have_.set({i, i});
    }
    image.doubt_digests();
    return image;
  }
  image.doubt_digests();
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
  if (!is_known(digests_[index])) return false;
  buffer.resize(grid_.length(index));
  const auto got = firmware::read_at(fd_, buffer, grid_.offset(index), {});
  if (!got || *got != buffer.size()) return false;
  return firmware::sha256({buffer.data(), buffer.size()}) == digests_[index];
}

Result<bool> ImageFile::put(std::uint32_t index, std::string_view bytes, const std::optional<Digest>& came_with) {
  if (index >= grid_.count()) return false;
  const bool known = is_known(digests_[index]);
  if (!known && !came_with) return false;
  const auto& wanted = known ? digests_[index] : *came_with;
  if (bytes.size() != grid_.length(index) || firmware::sha256(bytes) != wanted) return false;
  std::size_t done = 0;
  while (done < bytes.size()) {
    auto wrote = pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(grid_.offset(index) + done));
    if (wrote < 0) return failed("write", file_);
    done += static_cast<std::size_t>(wrote);
  }
  if (!known) {
    if (auto kept = keep_digest(index, wanted); !kept) return kept.error();
  }
  have_.set({index, index});
  return true;
}

void ImageFile::forget(const ChunkRanges& ranges) {
  for (const auto& range : ranges) {
    have_.clear(range);
    for (auto i = range.first; learning_ && i <= range.last && i < grid_.count(); ++i)
      static_cast<void>(keep_digest(i, Digest{}));
  }
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
