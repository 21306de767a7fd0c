// Bulk messages: those that wait for an empty outbox, and those that were passed to Paho.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mqtt/outbox.hpp"

namespace ota::mqtt {

/// True if the message was written to the connection, false if it was lost with it.
using BulkSent = std::function<void(bool written)>;

/// Messages at QoS 0 in the order of push(). Bounded: push() refuses one more message or byte (payload and topic). Few
/// are handed out at a time, so that what comes by the outbox meanwhile never waits behind many. Not thread-safe.
class BulkLane {
 public:
  static constexpr std::size_t kMaxMessages = 1024;
  static constexpr std::size_t kMaxBytes = 8u << 20;
  /// Another one is passed on while fewer bytes than this are in flight: at most this number plus one message.
  static constexpr std::size_t kUnderWayBytes = 128u << 10;
  static constexpr std::size_t kUnderWayMessages = 32;
  /// Set in the ids of bulk messages, never in those of the outbox.
  static constexpr std::uint64_t kIdBit = std::uint64_t{1} << 63;

  bool push(std::string topic, std::string payload, BulkSent sent);
  bool may_take() const;
  /// The oldest waiting message, which is then in flight. Precondition: may_take().
  Outgoing take();
  /// Removes it from those in flight; returns its callback, to be called without locks; nothing if it is unknown.
  std::optional<BulkSent> written(std::uint64_t id);
  /// Empties the lane: the callbacks of all, to be called with false.
  std::vector<BulkSent> clear();

  std::size_t size() const noexcept { return waiting_.size() + under_way_.size(); }

 private:
  struct Waiting {
    Outgoing message;
    BulkSent sent;
  };
  struct UnderWay {
    std::size_t bytes = 0;
    BulkSent sent;
  };
  std::deque<Waiting> waiting_;
  std::map<std::uint64_t, UnderWay> under_way_;
  std::uint64_t last_id_ = kIdBit;
  std::size_t bytes_ = 0;  // of all
  std::size_t under_way_bytes_ = 0;
};

}  // namespace ota::mqtt
