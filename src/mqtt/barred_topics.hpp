// Topics whose messages broke the connection.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <unordered_map>

namespace ota::mqtt {

/// A device repeats itself until it is answered, so a broker that hangs up on one answer would be left by all again and
/// again. So a topic takes nothing for a minute after it was barred; each further time the pause is twice as long, up
/// to an hour, and it is forgotten an hour after it ended. Knows at most kMaxTopics, of which the one that ends first
/// gives way. Not thread-safe.
class BarredTopics {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kFirst{60};
  static constexpr std::chrono::seconds kLongest{3600};
  static constexpr std::size_t kMaxTopics = 1024;

  /// Answers for how long.
  std::chrono::seconds bar(const std::string& topic, Time now);
  bool bars(const std::string& topic, Time now) const;
  bool empty() const noexcept { return topics_.empty(); }

 private:
  struct Pause {
    Time until;
    std::chrono::seconds length;
  };
  std::unordered_map<std::string, Pause> topics_;
};

}  // namespace ota::mqtt
