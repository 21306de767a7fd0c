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

#include "mqtt/bulk_suspects.hpp"
#include "mqtt/outbox.hpp"

namespace ota::mqtt {

/// True if the message was written to the connection, false if it was lost with it.
using BulkSent = std::function<void(bool written)>;

/// Messages at QoS 0 in the order of push(). Bounded: push() refuses one more message or byte (payload and topic). Few
/// are handed out at a time, so that what comes by the outbox meanwhile never waits behind many. A group whose messages
/// may have ended the connection is handed out as BulkSuspects says. Not thread-safe.
class BulkLane {
 public:
  static constexpr std::size_t kMaxMessages = 1024;
  static constexpr std::size_t kMaxBytes = 8u << 20;
  /// Another one is passed on while fewer bytes than this are in flight: at most this number plus one message.
  static constexpr std::size_t kUnderWayBytes = 128u << 10;
  static constexpr std::size_t kUnderWayMessages = 32;
  /// Set in the ids of bulk messages, never in those of the outbox.
  static constexpr std::uint64_t kIdBit = std::uint64_t{1} << 63;

  /// `group`: messages that the broker accepts or rejects alike.
  bool push(std::string group, std::string topic, std::string payload, BulkSent sent);
  bool may_take() const;
  /// The oldest waiting message, which is then in flight. Precondition: may_take().
  Outgoing take();
  /// Removes it from those in flight; returns its callback, to be called without locks; nothing if it is unknown.
  std::optional<BulkSent> written(std::uint64_t id);
  /// Whether the next message waits for a fence, and the fence can be sent now: call fence_sent(), and fence_passed()
  /// at the broker's answer to it.
  bool wants_fence() const;
  void fence_sent() { suspects_.fence_sent(); }
  void fence_passed() { suspects_.fence_passed(); }
  bool fencing() const noexcept { return suspects_.fencing(); }

  struct Lost {
    std::vector<BulkSent> sent;  ///< the callbacks of all messages, to be called with false
    BulkSuspects::Lost blame;
  };
  /// The connection is lost, and all messages with it. `may_blame`: a message can be the cause.
  Lost connection_lost(bool may_blame);

  std::size_t size() const noexcept { return waiting_.size() + under_way_.size(); }

 private:
  struct Waiting {
    std::string group;
    Outgoing message;
    BulkSent sent;
  };
  struct UnderWay {
    std::size_t bytes = 0;
    BulkSent sent;
  };
  std::deque<Waiting> waiting_;
  std::map<std::uint64_t, UnderWay> under_way_;
  BulkSuspects suspects_;
  std::uint64_t last_id_ = kIdBit;
  std::size_t bytes_ = 0;  // of all
  std::size_t under_way_bytes_ = 0;
};

}  // namespace ota::mqtt
