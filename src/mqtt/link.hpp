// One Paho client: from its first connect to the end of its one connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "mqtt/outbox.hpp"
#include "ota/mqtt/client.hpp"

namespace ota::mqtt {

/// The limits that the broker sent at the connect.
struct Limits {
  std::uint32_t max_packet = 0;  ///< its Maximum Packet Size in bytes, or the largest that MQTT knows
  int max_qos = 2;
};

/// Events of a link. Called on Paho's threads, which all clients of the process share: return fast, never block, never
/// call the link. Exceptions are logged and ignored.
class LinkEvents {
 public:
  virtual ~LinkEvents() = default;
  virtual void on_connected(const Limits& limits) = 0;
  /// `reason` is the broker's (MQTT 5 section 2.4, from 0x80; those of 3.1.1 are turned into them), or 0 without a
  /// reason.
  virtual void on_connect_failed(int reason) = 0;
  /// `reason` as above.
  virtual void on_lost(int reason) = 0;
  /// `retained`: the broker had stored it before the subscription.
  virtual void on_message(std::string_view topic, std::string_view payload, bool retained) = 0;
  /// `reason` from 0x80 is a refusal for good.
  virtual void on_published(std::uint64_t id, int reason) = 0;
  /// Once for each of Options::subscriptions; `reason` as above, 0 where granted, with a QoS up to `qos`.
  virtual void on_subscribed(std::size_t filter, int reason, int qos) = 0;
  /// The broker's answer to fence().
  virtual void on_fence() = 0;
  virtual void on_disconnected() = 0;
};

/// Wraps mqtt::async_client so that its known faults (Paho C 1.3.12) can't be reached:
/// - A publish above QoS 0 whose write fails is freed and yet kept for the next connection, which then sends freed
/// memory
///   or frees it twice. So a link is used for one connection only, the outbox sends again by itself on the next one,
///   and a link with such a publish is never destroyed but left behind, closed (a few messages' worth of memory, only
///   when a connection breaks in the middle of a write).
/// - Creating one client while the last other one is destroyed races inside Paho: both happen under one lock.
/// Its methods are for one thread, not Paho's; none waits for the network.
class Link {
 public:
  /// Messages that may be handed over and not yet delivered; Paho's own buffer is larger, so it never overflows.
  static constexpr int kWindow = 256;
  /// What MQTT's length field can say (MQTT 5 section 2.1.4) and the bytes before it.
  static constexpr std::uint32_t kLargestPacket = 268'435'455 + 5;

  /// `version`: v5 or v3_1_1. Throws mqtt::exception if Paho rejects the URL.
  static std::unique_ptr<Link> create(const Options& options, Version version, LinkEvents& events);
  /// There are no events after the destructor.
  virtual ~Link() = default;

  /// Call it again only after on_connect_failed. Except publish(): false if Paho refuses at once.
  virtual bool connect() = 0;
  virtual bool subscribe() = 0;
  enum class Handed {
    taken,    ///< on_published follows, or the connection is lost
    gone,     ///< the connection is lost
    refused,  ///< the message is not valid in MQTT
  };
  virtual Handed publish(const Outgoing& message) = 0;
  /// Sends a packet without an effect that the broker must answer, behind all that was published and written before;
  /// on_fence follows, or the connection is lost.
  virtual bool fence() = 0;
  /// Ends the connection, not the session; on_disconnected follows.
  virtual bool disconnect() = 0;
};

}  // namespace ota::mqtt
