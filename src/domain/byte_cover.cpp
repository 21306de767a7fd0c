#include "ota/domain/byte_cover.hpp"

#include <algorithm>

namespace ota {

ByteCover::Added ByteCover::add(const ChunkGrid& grid, std::uint64_t offset, std::uint64_t length, ChunkBitmap& have) {
  Added added;
  if (offset >= grid.size) return added;
  const std::uint64_t end = offset + std::min(length, grid.size - offset);
  const std::uint64_t step = grid.chunk_bytes;
  const std::uint64_t first = (offset + step - 1) / step;                     // the first chunk that begins inside
  const std::uint64_t behind = end == grid.size ? grid.count() : end / step;  // the last complete one
  if (first < behind)
    add_whole(grid, {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(behind - 1)}, have, added);
  // The parts of chunks before and after the complete ones; without complete ones, on both sides of a boundary.
  const std::uint64_t border = std::min(first * step, end);
  if (offset < border) add_part(grid, {offset, border}, have, added);
  const std::uint64_t tail = std::max(border, behind * step);
  if (tail < end) add_part(grid, {tail, end}, have, added);
  return added;
}

void ByteCover::add_whole(const ChunkGrid& grid, const ChunkRange& chunks, ChunkBitmap& have, Added& added) {
  for (auto i = chunks.first; i <= chunks.last; ++i)
    if (!have.test(i)) added.fresh_bytes += grid.length(i);
  const auto before = bytes_;
  drop(grid.chunk_bytes, chunks);
  added.fresh_bytes -= before - bytes_;
  added.fresh_chunks += have.set(chunks);
}

void ByteCover::drop(std::uint32_t chunk_bytes, const ChunkRange& chunks) {
  if (runs_.empty()) return;
  const auto begins_before = [](const Run& run, std::uint64_t offset) { return run.begin < offset; };
  const auto begin = std::uint64_t{chunks.first} * chunk_bytes;
  const auto end = (std::uint64_t{chunks.last} + 1) * chunk_bytes;
  const auto from = std::lower_bound(runs_.begin(), runs_.end(), begin, begins_before);
  bytes_ -= erase(from, std::lower_bound(from, runs_.end(), end, begins_before));
}

/// Returns the number of bytes that they had.
std::uint64_t ByteCover::erase(std::vector<Run>::iterator from, std::vector<Run>::iterator to) {
  std::uint64_t bytes = 0;
  for (auto run = from; run != to; ++run) bytes += run->end - run->begin;
  runs_.erase(from, to);
  return bytes;
}

void ByteCover::add_part(const ChunkGrid& grid, Run part, ChunkBitmap& have, Added& added) {
  const auto chunk = static_cast<std::uint32_t>(part.begin / grid.chunk_bytes);
  if (have.test(chunk)) return;
  const auto chunk_begin = grid.offset(chunk);
  const auto chunk_end = chunk_begin + grid.length(chunk);
  const auto ends_before = [](const Run& run, std::uint64_t offset) { return run.end < offset; };
  // Merges runs that overlap or touch it; a run of the previous chunk may end where it begins.
  auto from = std::lower_bound(runs_.begin(), runs_.end(), part.begin, ends_before);
  if (from != runs_.end() && from->begin < chunk_begin) ++from;
  auto to = from;
  Run merged = part;
  for (; to != runs_.end() && to->begin <= part.end && to->begin < chunk_end; ++to) {
    merged.begin = std::min(merged.begin, to->begin);
    merged.end = std::max(merged.end, to->end);
  }
  const bool touches = from != to;
  if (!touches && runs_.size() == kMaxRuns) {
    added.fresh_bytes += part.end - part.begin;
    return;
  }
  const auto at = from - runs_.begin();
  const auto before = erase(from, to);
  added.fresh_bytes += merged.end - merged.begin - before;
  bytes_ -= before;
  if (merged.begin == chunk_begin && merged.end == chunk_end) {
    added.fresh_chunks += have.set({chunk, chunk});
    return;
  }
  runs_.insert(runs_.begin() + at, merged);
  bytes_ += merged.end - merged.begin;
}

}  // namespace ota
