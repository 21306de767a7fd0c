#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ota/domain/task.hpp"
#include "ota/storage/selection.hpp"

namespace ota::storage {

class Database;

struct DeviceCounts {
  std::int64_t total = 0;
  std::int64_t online = 0;
  std::int64_t living = 0;
  struct Version {
    std::string channel;
    std::string hardware;  ///< empty: unknown
    std::string version;   ///< the same
    std::int64_t devices = 0;
    std::int64_t living = 0;
  };
  std::vector<Version> versions{};  ///< the most frequent first
};

/// Questions about devices, as Tasks.
class Devices {
 public:
  explicit Devices(Database& db);
  ~Devices();

  std::optional<Device> find(const std::string& id);
  /// Ids of devices with that secret, at most two.
  std::vector<std::string> with_secret(const Digest& secret);
  /// Ids of devices whose presence ended by `now` while a task of theirs is ready.
  std::vector<std::string> lapsed(Millis now, int limit);
  std::optional<Millis> next_lapse();
  /// Who waits behind that uplink with the oldest task.
  std::optional<std::string> first_held(const std::string& uplink);
  /// How many devices have each verdict on their link.
  std::array<std::int64_t, 4> verdicts();
  /// A page of those that are selected, without those that can't be read.
  Selected<Device> list(const Selection& selection, int limit, const std::optional<Place>& after = {});
  std::int64_t count(const Selection& selection);
  /// From counters, in constant time. Contacts count by the whole minute (online) and UTC day (living).
  DeviceCounts counts(const Presence& presence, WallTime living_since);
  /// How many are online, of one channel and one hardware type where they are given. Counted in the same way.
  std::int64_t online(const Presence& presence, const std::optional<std::string>& channel = {},
                      const std::optional<std::string>& hardware = {});
  struct Strangers {
    std::vector<std::string> ids;
    std::string last;  ///< go on after it; empty: that was the last device
  };
  /// Which of the `limit` devices after `after` have neither operator nor secret nor certificate behind them and were
  /// not heard since `before`.
  Strangers strangers(const std::string& after, WallTime before, int limit);

 private:
  struct Statements;
  std::unique_ptr<Statements> q_;
};

}  // namespace ota::storage
