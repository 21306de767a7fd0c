#include "api/download_transfer.hpp"

namespace ota::api {

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

void DownloadTransfer::sent(std::uint64_t offset, std::uint64_t length) {
  board_.bytes(task_, length);
  ChunkRange whole;
  if (cover_.add(offset, length, whole)) board_.chunks(task_, whole, Transport::http, chunk_bytes_);
}

void DownloadTransfer::ended(bool whole) {
  if (!whole) board_.broken(task_);
}

void DownloadTransfer::line(const http::LineFigures& figures) {
  LinkSample sample;
  sample.rtt_ms = figures.rtt_ms;
  sample.segments = figures.segments;
  sample.resent = figures.resent;
  sample.rate = figures.rate;
  sample.acked = figures.acked;
  board_.line(task_, sample);
}

}  // namespace ota::api
