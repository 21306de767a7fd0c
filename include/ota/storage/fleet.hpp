#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ota/domain/rollout.hpp"

namespace ota::storage {

class Database;

/// Devices of one channel and hardware that run one version.
struct FleetCount {
  std::string channel;
  std::string hardware;
  std::string version;  ///< empty: unknown
  bool pinned = false;
  std::int64_t devices = 0;
  std::int64_t living = 0;  ///< seen since the day that was asked for
};

/// Where the walk round the ring of a channel's devices is.
struct RingDevice {
  std::string id;
  std::string hardware;
  std::string version;
  std::uint32_t ring = 0;
  bool present = false;
};

/// Channels, their targets, and the counters of their devices, from one connection's thread. Every function may throw
/// Fault.
class Fleet {
 public:
  explicit Fleet(Database& db);
  ~Fleet();

  std::optional<Channel> channel(const std::string& name);
  std::vector<Channel> channels();
  void put(const Channel& channel);
  void remove_channel(const std::string& name);
  bool has_devices(const std::string& channel);

  std::vector<Target> targets();
  void put(const Target& target);
  /// Whether it was there.
  bool remove_target(const std::string& channel, const std::string& hardware);

  /// UTC days since 1970. `channel` empty: all.
  std::vector<FleetCount> counts(const std::string& channel, std::int64_t living_since_day);

  /// Devices of the channel that are not pinned, with `ring` in [from, to), in its order; at most `limit`.
  std::vector<RingDevice> ring(const std::string& channel, std::uint64_t from, std::uint64_t to, Millis now, int limit);

  struct Point {
    std::string channel;
    std::string hardware;
    std::string version;
    WallTime at{};
    std::int64_t devices = 0;
  };
  void add_point(const Point& point);
  /// The last one of each step (at least 1 ms) of each version, from `since` on, in the order of time; `channel` and
  /// `hardware` nothing: all.
  std::vector<Point> points(const std::optional<std::string>& channel, const std::optional<std::string>& hardware,
                            WallTime since, Millis step, int limit);
  /// The last one of each version, by their names; `before`: of those before that time.
  std::vector<Point> last_points(int limit, std::optional<WallTime> before = {});
  void prune_points(WallTime before, int limit);

 private:
  struct Statements;
  std::unique_ptr<Statements> q_;
};

}  // namespace ota::storage
