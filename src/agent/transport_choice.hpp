// The transport of chunks: in the server's order, without those that fail.
#pragma once

#include <array>
#include <chrono>
#include <vector>

#include "agent/retry_timer.hpp"
#include "ota/domain/messages.hpp"

namespace ota::agent {

/// After kFailures consecutive failures a transport is suspended, and the next one in the order is used. After kRest,
/// which doubles each time up to kLongestRest, it is tried again, and suspended again after a single failure. After
/// kProven chunks its failures are reset. Not thread-safe.
class TransportChoice {
 public:
  static constexpr int kFailures = 2;
  static constexpr int kProven = 8;
  static constexpr std::chrono::seconds kRest{20};
  static constexpr std::chrono::seconds kLongestRest{300};

  /// The order of `metadata`. Precondition: only supported transports. A changed order makes its first transport tried
  /// at once, because the server has new information. The same order changes nothing.
  void set_order(std::vector<Transport> order);
  /// For another task: permits excluded transports again.
  void begin_task();
  /// The transport can't be used for this task's chunks.
  void exclude(Transport transport);

  /// If all are suspended, the one with the shortest remaining time.
  Transport current(Time now) const;
  bool usable(Transport transport, Time now) const;
  void worked(Transport transport);
  /// The cause of its failures is gone: it may be used at once.
  void revived(Transport transport) { of(transport).rests_until = {}; }
  void failed(Transport transport, Time now);
  /// A slow failure: suspends it at once.
  void died(Transport transport, Time now);

 private:
  struct Record {
    int failures = 0;  // in a row
    int successes = 0;
    Time rests_until{};
    std::chrono::seconds rest{0};  // the last suspension; 0: none, or reset
    bool excluded = false;
  };
  Record& of(Transport transport) { return records_[static_cast<std::size_t>(transport)]; }
  const Record& of(Transport transport) const { return records_[static_cast<std::size_t>(transport)]; }

  std::vector<Transport> order_{Transport::http};
  std::array<Record, 2> records_;
};

}  // namespace ota::agent
