#include "api/chunk_windows.hpp"

namespace ota::api {

bool ChunkWindows::take(const WantedChunk& wanted, const ChunkRanges& ranges) {
  if (windows_.size() >= kMaxDevices && !windows_.contains(wanted.device)) return false;
  auto& window = windows_[wanted.device];
  const bool waited = !window.waiting.empty();
  auto chunk = wanted;
  const auto add = [&] {
    if (window.outstanding.contains({chunk.task.number, chunk.index})) return true;
    if (window.outstanding.size() == kMaxChunks || window.bytes + chunk.bytes() > kMaxBytes) return false;
    window.outstanding.emplace(chunk.task.number, chunk.index);
    window.bytes += chunk.bytes();
    window.waiting.push_back(chunk);
    ++waiting_;
    return true;
  };
  for (const auto& range : ranges) {
    bool fits = true;
    for (chunk.index = range.first; fits && chunk.index <= range.last; ++chunk.index) fits = add();
    if (!fits) break;
  }
  if (!waited && !window.waiting.empty()) turns_.push_back(wanted.device);
  if (window.outstanding.empty()) windows_.erase(wanted.device);
  return true;
}

std::optional<WantedChunk> ChunkWindows::next() {
  while (!turns_.empty()) {
    auto device = turns_.front();
    auto& window = windows_.at(device);
    if (window.credit <= 0) {
      // Its turn is over, or it pays for a chunk that was larger than one.
      window.credit += kTurnBytes;
      turns_.pop_front();
      turns_.push_back(std::move(device));
      continue;
    }
    auto chunk = std::move(window.waiting.front());
    window.waiting.pop_front();
    --waiting_;
    window.credit -= chunk.bytes();
    if (window.waiting.empty()) {
      turns_.pop_front();
      if (window.credit > 0) window.credit = 0;
    }
    return chunk;
  }
  return std::nullopt;
}

void ChunkWindows::done(const WantedChunk& chunk) {
  const auto found = windows_.find(chunk.device);
  if (found == windows_.end()) return;
  auto& window = found->second;
  if (window.outstanding.erase({chunk.task.number, chunk.index}) == 0) return;
  window.bytes -= chunk.bytes();
  if (window.outstanding.empty()) windows_.erase(found);
}

}  // namespace ota::api
