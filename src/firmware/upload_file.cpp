#include "firmware/upload_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "firmware/stored_image.hpp"

namespace ota::firmware {
namespace {

/// So much is handed to the disk at a time, so that the sync at the end finds little left to do.
constexpr std::uint64_t kWritebackBytes = 8u << 20;

}  // namespace

UploadFile::UploadFile(File file, std::uint64_t max_bytes, Publish publish, std::shared_ptr<void> ticket)
    : file_(std::move(file)),
      max_bytes_(max_bytes),
      publish_(std::move(publish)),
      ticket_(std::move(ticket)),
      blocks_(kBlockBytes) {
  block_.reserve(kBlockBytes);
}

UploadFile::~UploadFile() {
  // Its room is free before its name is gone: who waits for the name may upload again.
  if (!commit_begun_) {
    [[maybe_unused]] const int freed = ::ftruncate(file_.descriptor(), 0);
  }
  // After commit() it has another name, and this one does not exist.
  ::unlink(file_.path().c_str());
}

Result<void> UploadFile::write(std::span<const char> bytes) {
  if (failed_) return *failed_;
  if (stored_) return fail(Errc::server_fault, "written to an upload that was finished already");
  if (bytes.size() > max_bytes_ - written_ - block_.size()) {
    failed_ = fail(Errc::too_large, fmt::format("the image is larger than the {} bytes allowed", max_bytes_));
    return *failed_;
  }
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min<std::size_t>(bytes.size(), kBlockBytes - block_.size()));
    block_.insert(block_.end(), piece.begin(), piece.end());
    bytes = bytes.subspan(piece.size());
    if (block_.size() < kBlockBytes) continue;
    if (const auto done = write_block(); !done) return done;
  }
  return {};
}

Result<void> UploadFile::write_block() {
  if (const auto done = file_.write_at(block_, written_); !done) {
    failed_ = done.error();
    return done;
  }
  whole_.update(block_);
  blocks_.update(block_);
  written_ += block_.size();
  block_.clear();
  if (written_ - writeback_from_ >= kWritebackBytes) {
    file_.start_writeback(writeback_from_, written_ - writeback_from_);
    writeback_from_ = written_;
  }
  return {};
}

Result<Stored> UploadFile::finish() {
  if (failed_) return *failed_;
  if (stored_) return *stored_;
  if (!block_.empty()) {
    if (const auto done = write_block(); !done) return done.error();
  }
  if (written_ == 0) {
    failed_ = fail(Errc::malformed, "the image is empty");
    return *failed_;
  }
  file_.start_writeback(writeback_from_, written_ - writeback_from_);
  stored_ = whole_.finish();
  return *stored_;
}

Result<std::shared_ptr<Image>> UploadFile::commit() {
  if (failed_) return *failed_;
  if (!stored_) return fail(Errc::server_fault, "an upload was committed before it was finished");
  commit_begun_ = true;
  if (const auto synced = file_.sync(); !synced) {
    failed_ = synced.error();
    return *failed_;
  }
  auto image = publish_(file_.path(), *stored_, blocks_.finish());
  failed_ = image ? fail(Errc::server_fault, "an upload was committed twice") : image.error();
  return image;
}

}  // namespace ota::firmware
