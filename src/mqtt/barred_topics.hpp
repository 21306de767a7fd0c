// Topics whose messages caused a loss of the connection.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <unordered_map>

namespace ota::mqtt {

/// A device repeats its message until it is answered, so a broker that closes the connection for an answer would do so
/// again and again. Therefore nothing is sent to such a topic for a minute; each further time the pause doubles, up to
/// an hour. An entry is removed an hour after its pause. At most kMaxTopics; beyond it the one that ends first is
/// replaced. Not thread-safe.
class BarredTopics {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kFirst{60};
  static constexpr std::chrono::seconds kLongest{3600};
  static constexpr std::size_t kMaxTopics = 1024;

  /// Returns the duration of the pause.
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
