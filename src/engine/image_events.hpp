// What is to be done about images, told by any thread and kept until a commit says that it was.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "engine/commands.hpp"
#include "ota/base/mutex.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::engine {

/// note_… are thread-safe, the rest is the engine thread's. The lock is a leaf.
class PendingImageEvents {
 public:
  /// It was found rotten and set aside: its tasks end.
  void note_damaged(const Digest& image);
  /// Its file is gone, or there again: its tasks wait, or take their turn.
  void note_changed(const Digest& image);
  /// Its digests were computed, which its firmware lacks.
  void note_hashed(const firmware::Stored& image);
  /// It may belong to no firmware.
  void note_unneeded(const Digest& image);

  /// Takes what was noted into this unit of work; false where there is nothing.
  bool take();
  /// Does what can be done in this unit.
  void see_to(TaskService& service);
  /// It was undone.
  void undone();
  /// It was committed; true where more is left.
  bool committed();

 private:
  struct Changed {
    TaskCursor at;           ///< its tasks up to there were looked at
    std::uint64_t note = 0;  ///< which note this is of: a later one begins anew
    bool finished = false;
  };
  struct Notes {
    std::set<Digest> damaged;
    std::map<Digest, Changed> changed;
    std::map<Digest, firmware::Stored> hashed;
    std::set<Digest> unneeded;
  };

  Mutex mutex_;
  Notes noted_ OTA_GUARDED_BY(mutex_);
  std::uint64_t notes_ OTA_GUARDED_BY(mutex_) = 0;
  Notes taken_;
  Notes done_;
};

}  // namespace ota::engine
