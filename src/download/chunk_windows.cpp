#include "download/chunk_windows.hpp"

namespace ota::download {

bool ChunkWindows::take(const WantedChunk& wanted, const ChunkRanges& ranges) {
  if (windows_.size() >= kMaxDevices && !windows_.contains(wanted.device)) return false;
  auto& window = windows_[wanted.device];
  auto chunk = wanted;
  const bool none_held = window.held.empty();
  const auto add = [&] {
    if (window.outstanding.contains({chunk.task.number, chunk.index})) return true;
    if (window.outstanding.size() == kMaxChunks || window.bytes + chunk.bytes() > kMaxBytes) return false;
    window.outstanding.emplace(chunk.task.number, chunk.index);
    window.bytes += chunk.bytes();
    window.held.push_back(chunk);
    return true;
  };
  for (const auto& range : ranges) {
    bool fits = true;
    for (chunk.index = range.first; fits && chunk.index <= range.last; ++chunk.index) fits = add();
    if (!fits) break;
  }
  if (none_held && !window.held.empty()) to_allow_.push_back(wanted.device);
  if (window.outstanding.empty() && !window.in_turns) windows_.erase(wanted.device);
  return true;
}

std::optional<WantedChunk> ChunkWindows::next_to_allow() {
  if (to_allow_.empty()) return std::nullopt;
  auto chunk = windows_.at(to_allow_.front()).held.front();
  to_allow_.pop_front();
  return chunk;
}

void ChunkWindows::allow(const WantedChunk& chunk) {
  auto& window = windows_.at(chunk.device);
  window.waiting.push_back(std::move(window.held.front()));
  window.held.pop_front();
  ++waiting_;
  if (!window.held.empty()) to_allow_.push_back(chunk.device);
  if (window.in_turns) return;
  turns_.push_back(chunk.device);
  window.in_turns = true;
}

std::optional<WantedChunk> ChunkWindows::next() {
  while (!turns_.empty()) {
    auto device = turns_.front();
    auto& window = windows_.at(device);
    if (window.waiting.empty() && window.credit >= 0) {
      end_turns(device);
      continue;
    }
    if (window.credit <= 0) {
      // Its share of this round is used up, also by a chunk that was larger than a share.
      window.credit += kTurnBytes;
      turns_.pop_front();
      turns_.push_back(std::move(device));
      continue;
    }
    auto chunk = std::move(window.waiting.front());
    window.waiting.pop_front();
    --waiting_;
    window.credit -= chunk.bytes();
    if (window.waiting.empty() && window.credit >= 0) end_turns(device);
    return chunk;
  }
  return std::nullopt;
}

void ChunkWindows::end_turns(const DeviceId& device) {
  turns_.pop_front();
  const auto found = windows_.find(device);
  found->second.credit = 0;
  found->second.in_turns = false;
  if (found->second.outstanding.empty()) windows_.erase(found);
}

void ChunkWindows::done(const WantedChunk& chunk) {
  const auto found = windows_.find(chunk.device);
  if (found == windows_.end()) return;
  auto& window = found->second;
  if (window.outstanding.erase({chunk.task.number, chunk.index}) == 0) return;
  window.bytes -= chunk.bytes();
  if (window.outstanding.empty() && !window.in_turns) windows_.erase(found);
}

}  // namespace ota::download
