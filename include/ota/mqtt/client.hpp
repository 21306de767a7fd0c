// The connection to the broker: subscriptions, a bounded outbox, reconnecting. Independent of tasks and devices.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/result.hpp"

namespace ota {
class Random;
}

namespace ota::mqtt {

/// `automatic`: 5, then 3.1.1 if the broker refuses 5 or closes the connection.
enum class Version : std::uint8_t { automatic, v5, v3_1_1 };
/// `auto`, `5`, `3.1.1`.
std::string_view to_string(Version version);
std::optional<Version> parse_version(std::string_view text);

struct Options {
  std::string url = "tcp://127.0.0.1:1883";  ///< `ssl://` for TLS
  Version version = Version::automatic;
  std::string client_id = "otad";
  std::string username;
  std::string password;
  std::string ca_file, cert_file, key_file;
  std::vector<std::string> subscriptions;  ///< topic filters, subscribed on every connect
  int subscribe_qos = 1;
  std::chrono::seconds keepalive{60};
  std::chrono::seconds reconnect_min{1};
  std::chrono::seconds reconnect_max{120};
  std::chrono::seconds session_expiry{3600};  ///< 0: no session, each connect is a clean start
  std::size_t max_outbox_messages = 100'000;  ///< beyond it publish() refuses
  std::size_t max_outbox_bytes = 64u << 20;
  std::size_t max_payload_bytes = 256u << 10;  ///< larger incoming ones are passed to `on_oversized` only
};

struct Status {
  bool connected = false;  ///< and all subscriptions answered
  std::string detail;      ///< why not: cause and remedy, as text
  std::uint64_t connects = 0;
  std::uint64_t received = 0;
  std::uint64_t published = 0;           ///< handed to the broker and, above QoS 0, acknowledged by it
  std::uint64_t refused = 0;             ///< publish() calls that were refused, because the outbox was full
  std::size_t outbox = 0;                ///< messages waiting or in flight
  std::size_t bulk = 0;                  ///< bulk messages waiting or being written
  std::uint64_t dropped = 0;             ///< messages of publish() that the broker doesn't accept
  Version version = Version::automatic;  ///< of the connection, v5 or v3_1_1; automatic before the first
};

struct Handlers {
  /// On Paho's thread; must return fast and never block, may call publish().
  std::function<void(std::string_view topic, std::string_view payload)> on_message;
  /// A payload beyond `max_payload_bytes`; the same thread.
  std::function<void(std::string_view topic, std::size_t size)> on_oversized;
  /// A retained message, which may be outdated: passed to no other handler; the same
  /// thread.
  std::function<void(std::string_view topic)> on_retained;
  /// A message of publish(), or a group of publish_bulk(), is dropped because the broker doesn't accept it: `why` has
  /// the broker's reason and the remedy. On a thread of the client's, the same rules.
  std::function<void(std::string_view topic, std::string_view payload, const std::string& why)> on_dropped;
  /// After each connect, once the broker answered all subscriptions; on the client's own thread, the same rules.
  std::function<void()> on_connected;
  /// After the loss of each connection; as on_connected.
  std::function<void()> on_lost;
};

/// One MQTT connection, kept: no clean start (5) or session (3.1.1) where Options::session_expiry isn't 0, so what was
/// sent while it was away still arrives.
/// An exception of a handler is logged and ends nothing but that call.
class Client {
 public:
  static std::unique_ptr<Client> create(Options options, Handlers handlers, Random& random);
  virtual ~Client() = default;

  /// Starts to connect in the background, without end.
  virtual void start() = 0;
  /// Ends a delay between two connection attempts after reconnect_min: for callers that know more about the network, or
  /// have no other transport. Thread-safe; no effect at other times.
  virtual void reconnect_now() = 0;
  /// Puts a message into the outbox; false if that is full (the caller relies on the protocol's repetitions). Never
  /// blocks; thread-safe. Messages keep their order. What was not acknowledged when a connection breaks is sent again
  /// on the next one (so across a break QoS 2 too is "at least once"), one at a time; QoS 0 that was in flight is lost,
  /// and what is sent next has QoS 1 until the cause is found.
  /// A message that was the only one in flight at two connection losses is dropped, and so is one that the broker
  /// refuses by a reason code or that is too large for it: see Handlers::on_dropped. A topic whose message broke the
  /// connection so takes none for a minute, doubled each further time up to an hour. A `qos` that the broker doesn't
  /// have becomes the highest that it has.
  virtual bool publish(std::string topic, std::string payload, int qos) = 0;
  /// Takes a message that can wait and may be lost (QoS 0) into a small lane of its own: it moves while nothing of
  /// publish() waits, and little of it is handed over at a time, so that no other message waits behind more than some
  /// 128 KiB and one such message, and 1 MiB in the kernel. False, and `sent` is not called, where there is no
  /// connection, the lane is full (1024 messages or 8 MiB: wait for a `sent`) or the broker takes no packet so large.
  /// `sent` is called once, on a thread of the client's, under the same rules as Handlers: true where the message was
  /// written out, false where it was lost with the connection. Thread-safe, never waits.
  /// `group` names messages that the broker accepts or rejects alike. Where a message of a group was the only one of the
  /// lane that can be the cause at two connection losses, Handlers::on_dropped is called with its topic and no payload,
  /// and the group takes no message for a while, as a topic of publish().
  virtual bool publish_bulk(std::string group, std::string topic, std::string payload,
                            std::function<void(bool written)> sent) = 0;
  /// Whether publish_bulk() refuses that group now, because its messages ended the connection. Thread-safe.
  virtual bool bulk_barred(const std::string& group) const = 0;
  /// The longest payload that the broker takes under a topic of so many bytes: its Maximum Packet Size (MQTT 5 section
  /// 3.2.2.3.6) at the last connect, less what goes around it. 0 before the first. Never waits.
  virtual std::size_t max_payload(std::size_t topic_bytes) const = 0;
  virtual Status status() const = 0;
  /// Sends what the outbox holds, within `grace`, disconnects (keeping the session) and joins its threads.
  virtual void stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace ota::mqtt
