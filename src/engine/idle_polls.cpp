#include "engine/idle_polls.hpp"

#include <utility>

#include "ota/firmware/hash.hpp"

namespace ota::engine {

std::optional<PollAnswer> IdlePolls::find(const std::string& device, const Credentials& who) {
  const auto now = clock_.steady();
  const MutexLock lock(mutex_);
  const auto found = entries_.find(device);
  if (found == entries_.end()) return {};
  auto& entry = found->second;
  const bool token_fits =
      entry.secret && who.token_digest && firmware::equal_secrets(*entry.secret, *who.token_digest);
  const bool proven = who.certified || token_fits || (who.gateway && !entry.secret);
  // What is wrong, or new, is the engine's matter.
  if ((entry.must_prove && !proven) || (who.certified && !entry.certified) || who.client != entry.client) return {};
  if (now - entry.kept >= kKept) return {};
  if (now - entry.noted >= kNoted && seen_.size() < kMost) {
    entry.noted = now;
    seen_.push_back(device);
  }
  return entry.answer;
}

void IdlePolls::keep(const Device& device, bool must_prove, const PollAnswer& answer) {
  Entry entry;
  entry.secret = device.secret;
  entry.must_prove = must_prove;
  entry.certified = device.certified;
  entry.client = device.client;
  entry.answer = answer;
  entry.kept = entry.noted = clock_.steady();
  const MutexLock lock(mutex_);
  if (entries_.size() >= kMost && !entries_.contains(device.id)) entries_.erase(entries_.begin());
  entries_[device.id] = std::move(entry);
}

void IdlePolls::forget(const std::string& device) {
  const MutexLock lock(mutex_);
  entries_.erase(device);
}

void IdlePolls::clear() {
  const MutexLock lock(mutex_);
  entries_.clear();
}

std::vector<std::string> IdlePolls::take_seen() {
  const MutexLock lock(mutex_);
  return std::exchange(seen_, {});
}

}  // namespace ota::engine
