#include "agent/image_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>
#include <utility>

#include "ota/firmware/hash.hpp"

namespace ota::agent {
namespace {

constexpr std::size_t kReadBytes = 1u << 20;
constexpr std::size_t kHeadBytes = 64;  // of the file of digests

Result<Digest> digest_of(const File& file) {
  if (auto synced = file.sync(); !synced) return synced.error();
  firmware::Sha256 hash;
  std::vector<char> buffer(kReadBytes);
  for (std::uint64_t offset = 0;;) {
    const auto got = read_at(file.descriptor(), buffer, offset, file.path());
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

ImageFile::ImageFile(File file, ChunkGrid grid, std::vector<Digest> digests)
    : file_(std::move(file)), grid_(grid), digests_(std::move(digests)), have_(grid.count()) {
  learning_ = digests_.empty();
  if (learning_) recall_digests();
}

std::filesystem::path ImageFile::digests_file(const std::filesystem::path& file) { return file.string() + ".digests"; }

void ImageFile::recall_digests() {
  digests_.assign(grid_.count(), Digest{});
  std::ifstream in(digests_file(path()), std::ios::binary);
  std::string head(kHeadBytes, '\0');
  if (in.read(head.data(), static_cast<std::streamsize>(head.size())) && head == head_of(grid_))
    in.read(reinterpret_cast<char*>(digests_.data()), static_cast<std::streamsize>(digests_.size() * sizeof(Digest)));
  else
    write_digests(digests_file(path()), grid_, digests_);
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
  std::fstream out(digests_file(path()), std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(static_cast<std::streamoff>(kHeadBytes + std::size_t{index} * sizeof(Digest)));
  out.write(reinterpret_cast<const char*>(digest.data()), sizeof(Digest));
  if (out.flush()) return {};
  return io_error(errno, "write", digests_file(path()));
}

Result<ImageFile> ImageFile::open(const std::filesystem::path& path, ChunkGrid grid, std::vector<Digest> digests) {
  auto file = File::open(path, O_RDWR | O_CREAT, 0600);
  if (!file) return file.error();
  const auto there = file->size();
  if (!there) return there.error();
  ImageFile image(std::move(*file), grid, std::move(digests));
  if (!image.learning_) write_digests(digests_file(path), grid, image.digests_);
  // Its full length is reserved before the first chunk, so a shorter one holds nothing of worth.
  if (*there == grid.size) {
    std::vector<char> buffer;
    for (std::uint32_t i = 0; i < grid.count(); ++i) {
      if (image.right_on_disk(i, buffer)) image.have_.set({i, i});
    }
    image.doubt_digests();
    return image;
  }
  image.doubt_digests();
  const int fd = image.file_.descriptor();
  if (ftruncate(fd, 0) != 0) return io_error(errno, "empty", path);
  if (const int error = posix_fallocate(fd, 0, static_cast<off_t>(grid.size)); error != 0) {
    unlink(path.c_str());
    return io_error(error, "reserve room for", path);
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
  const auto got = read_at(file_.descriptor(), buffer, grid_.offset(index), path());
  if (!got || *got != buffer.size()) return false;
  return firmware::sha256({buffer.data(), buffer.size()}) == digests_[index];
}

Result<bool> ImageFile::put(std::uint32_t index, std::string_view bytes, const std::optional<Digest>& came_with) {
  if (index >= grid_.count()) return false;
  const bool known = is_known(digests_[index]);
  if (!known && !came_with) return false;
  const auto& wanted = known ? digests_[index] : *came_with;
  if (bytes.size() != grid_.length(index) || firmware::sha256(bytes) != wanted) return false;
  if (auto written = file_.write_at(bytes, grid_.offset(index)); !written) return written.error();
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

Result<Digest> ImageFile::digest() { return digest_of(file_); }

Result<Digest> file_digest(const std::filesystem::path& file) {
  const auto opened = File::open(file, O_RDONLY);
  return opened ? digest_of(*opened) : opened.error();
}

}  // namespace ota::agent
