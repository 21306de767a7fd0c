#pragma once

#include <string>

#include "engine/lifecycle.hpp"
#include "ota/domain/messages.hpp"

namespace ota::engine {

/// Attempts of tasks: when one fails, and in which chunk layout the next one is.
class Attempts {
 public:
  explicit Attempts(TaskService& service) : service_(service) {}

  /// Evidence against the present attempt: the next one, or the end. Answers what the device is told. `detail`: the
  /// device's own words, if any.
  Answer fail(Task& task, const Actor& by, const std::string& reason, std::string detail = {});
  /// Whether one of these chunks arrived wrong for the third time in this attempt, as its log has it.
  bool at_mismatch_limit(const Task& task, const ChunkRanges& chunks);
  /// In the row, and for the active transfer.
  void set_chunks(Task& task, const ChunkBitmap& bitmap);
  /// A chunk was lost on its way: where that goes on, the next attempt gets smaller ones.
  void chunk_lost(const Task& task);
  /// Gives a task that was offered before a chunk layout which its device can take now: smaller chunks, with what the
  /// device has of them. False where their digests are awaited (LayoutDigests), and nothing changed.
  /// Errc::image_too_large: there is no such layout, and nothing changed.
  Result<bool> follow_layout(Task& task, const Device& device);

 private:
  void shrink_layout(Task& task);
  void change_layout(Task& task, const ChunkGrid& layout);

  TaskService& service_;
};

}  // namespace ota::engine
