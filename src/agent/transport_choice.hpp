// Which way chunks are fetched now: in the server's order, past those that are dead.
#pragma once

#include <array>
#include <chrono>
#include <vector>

#include "agent/retry_timer.hpp"
#include "ota/domain/messages.hpp"

namespace ota::agent {

/// A transport that fails kFailures times in a row counts as dead, and the next in the order is taken. After kRest,
/// which doubles each time up to kLongestRest, the dead one is tried again: one more failure and it rests on, so that a
/// way that only seems to live costs little. Once it brought kProven chunks all is forgiven. Not thread-safe.
class TransportChoice {
 public:
  static constexpr int kFailures = 2;
  static constexpr int kProven = 8;
  static constexpr std::chrono::seconds kRest{20};
  static constexpr std::chrono::seconds kLongestRest{300};

  /// As `metadata` has it; what this side can't do is left out by the caller. Another order than before puts its first
  /// on trial at once: the server knows something new. The same order changes nothing.
  void set_order(std::vector<Transport> order);
  /// Another task: what was excluded may be tried again.
  void begin_task();
  /// It will never bring this task's chunks.
  void exclude(Transport transport);

  /// Where all are dead, the one that rests the shortest.
  Transport current(Time now) const;
  bool usable(Transport transport, Time now) const;
  void worked(Transport transport);
  /// What it failed by has passed: it needn't rest on.
  void revived(Transport transport) { of(transport).rests_until = {}; }
  void failed(Transport transport, Time now);
  /// It took long to fail: it rests at once.
  void died(Transport transport, Time now);

 private:
  struct Record {
    int failures = 0;  // in a row
    int successes = 0;
    Time rests_until{};
    std::chrono::seconds rest{0};  // the last; 0: never rested, or forgiven
    bool excluded = false;
  };
  Record& of(Transport transport) { return records_[static_cast<std::size_t>(transport)]; }
  const Record& of(Transport transport) const { return records_[static_cast<std::size_t>(transport)]; }

  std::vector<Transport> order_{Transport::http};
  std::array<Record, 2> records_;
};

}  // namespace ota::agent
