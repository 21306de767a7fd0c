#include "api/download_transfer.hpp"

#include <initializer_list>

#include "ota/firmware/hash.hpp"

namespace ota::api {
namespace {

/// The parts together are as long as the array.
template <std::size_t size>
void fill(std::array<char, size>& into, std::initializer_list<std::string_view> parts) {
  char* to = into.data();
  for (const auto part : parts) to += part.copy(to, static_cast<std::size_t>(into.data() + size - to));
}

}  // namespace

bool ChunkCover::add(std::uint64_t offset, std::uint64_t length, ChunkRange& whole) {
  if (length == 0) return false;
  if (offset != end_) next_ = (offset + grid_.chunk_bytes - 1) / grid_.chunk_bytes;
  end_ = offset + length;
  const std::uint64_t done = end_ >= grid_.size ? grid_.count() : end_ / grid_.chunk_bytes;
  if (done <= next_) return false;
  whole = {static_cast<std::uint32_t>(next_), static_cast<std::uint32_t>(done - 1)};
  next_ = done;
  return true;
}

DownloadTransfer::DownloadTransfer(std::shared_ptr<firmware::Image> image, const DeviceContext& context,
                                   const UrlGrant& grant, std::string_view hex, const Digest& content)
    : image_(std::move(image)),
      context_(context),
      task_(grant.task),
      chunk_bytes_(grant.chunk_bytes),
      cover_({image_->size(), grant.chunk_bytes}) {
  fill(etag_, {"\"", hex, "\""});
  fill(digest_field_, {"sha-256=:", firmware::base64(content), ":"});
}

http::Pace DownloadTransfer::pace() {
  if (!pace_) pace_ = context_.pace_of(task_);
  return *pace_;
}

void DownloadTransfer::sent(std::uint64_t offset, std::uint64_t length) {
  auto& board = context_.engine.board();
  board.bytes(task_.number, length);
  ChunkRange whole;
  if (cover_.add(offset, length, whole)) board.chunks(task_.number, whole, Transport::http, chunk_bytes_);
}

void DownloadTransfer::ended(bool whole) {
  if (!whole) context_.engine.board().broken(task_.number);
}

void DownloadTransfer::line(const http::LineFigures& figures) {
  LinkSample sample;
  sample.rtt_ms = figures.rtt_ms;
  sample.segments = figures.segments;
  sample.resent = figures.resent;
  sample.rate = figures.rate;
  sample.acked = figures.acked;
  context_.engine.board().line(task_.number, sample);
}

}  // namespace ota::api
