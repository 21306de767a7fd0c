#include "mqtt/link.hpp"

#include <mqtt/async_client.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <functional>
#include <string>
#include <utility>

#include "mqtt/guarded.hpp"
#include "ota/base/mutex.hpp"

namespace ota::mqtt {
namespace {

namespace paho = ::mqtt;

constexpr int kSpareBuffer = 64;  // for subscriptions and bulk messages
constexpr int kConnectTimeoutSeconds = 10;
constexpr std::int32_t kMaxPacketBytes = 32 << 20;
constexpr int kRefusal = 0x80;
/// A filter that is never subscribed: the broker must acknowledge its end all the same (3.1.1: MQTT-3.10.4-5).
constexpr const char* kFenceFilter = "otad-fence";

/// Held while a Paho client is made or destroyed, which may call a gate.
Mutex& lifecycle() {
  static Mutex mutex;
  return mutex;
}

/// The reason code of a refusal (MQTT 5, 2.4); 0 for anything else. On 3.1.1 there is none, and Paho gives what failed,
/// most often a connection that was lost, the code 255.
int refusal(int code) { return code >= kRefusal && code != paho::MQTTPP_V3_CODE ? code : 0; }

int refusal(const paho::token& token) {
  // A CONNACK's code comes as the return code, a PUBACK's as the reason code.
  return std::max(refusal(token.get_return_code()), refusal(static_cast<int>(token.get_reason_code())));
}

/// A CONNACK of 3.1.1 (section 3.2.2.3) by the code that 5 has for it. Brokers without 5 answer so to a CONNECT of 5
/// too.
int connack_refusal(const paho::token& token) {
  constexpr std::array<int, 6> kCodes{0, 0x84, 0x85, 0x88, 0x86, 0x87};
  const int code = token.get_return_code();
  return code > 0 && code < std::ssize(kCodes) ? kCodes[static_cast<std::size_t>(code)] : refusal(token);
}

Limits limits(const paho::token& token) {
  Limits found{Link::kLargestPacket, 2};
  try {
    const auto response = token.get_connect_response();
    const auto& properties = response.get_properties();
    if (properties.contains(paho::property::MAXIMUM_PACKET_SIZE))
      found.max_packet = paho::get<std::uint32_t>(properties, paho::property::MAXIMUM_PACKET_SIZE);
    if (properties.contains(paho::property::MAXIMUM_QOS))
      found.max_qos = paho::get<std::uint8_t>(properties, paho::property::MAXIMUM_QOS);
  } catch (const std::exception&) {  // the broker's answer had no properties
  }
  return found;
}

/// The QoS that a SUBACK grants.
int granted(const paho::token& token) {
  const auto codes = token.get_subscribe_response().get_reason_codes();
  return codes.size() == 1 ? static_cast<int>(codes.front()) : 2;
}

// Turns one kind of Paho's callbacks into one function.
class Listener final : public paho::iaction_listener {
 public:
  using Done = std::function<void(const paho::token&, bool ok)>;
  explicit Listener(Done done) : done_(std::move(done)) {}
  void on_success(const paho::token& token) override { done_(token, true); }
  void on_failure(const paho::token& token) override { done_(token, false); }

 private:
  const Done done_;
};

// Lets Paho's threads call the events until the link goes. No lock is held during a call: a call may take any.
class Gate {
 public:
  explicit Gate(LinkEvents& events) : events_(&events) {}

  /// Waits for running calls; none follows.
  void close() {
    const MutexLock lock(mutex_);
    events_ = nullptr;
    while (calls_ > 0) idle_.wait(mutex_);
  }

  /// No exception leaves it: it would end Paho's thread, and the process.
  template <class Say>
  void tell(const char* what, Say say) noexcept {
    LinkEvents* to = nullptr;
    {
      const MutexLock lock(mutex_);
      to = events_;
      ++calls_;
    }
    if (to != nullptr) guarded(what, [&] { say(*to); });
    const MutexLock lock(mutex_);
    if (--calls_ == 0 && events_ == nullptr) idle_.notify_all();
  }

 private:
  Mutex mutex_;
  ConditionVariable idle_;
  LinkEvents* events_ OTA_GUARDED_BY(mutex_);
  int calls_ OTA_GUARDED_BY(mutex_) = 0;
};

// Everything that Paho's callbacks touch; outlives the link where the Paho client has to be left behind.
class Session {
 public:
  Session(const Options& options, Version version, LinkEvents& events)
      : gate_(events), client_(options.url, options.client_id, create_options(version)) {
    client_.set_connection_lost_handler(
        [this](const std::string&) { gate_.tell("a lost connection", [](LinkEvents& to) { to.on_lost(0); }); });
    client_.set_disconnected_handler([this](const paho::properties&, paho::ReasonCode reason) {
      // Paho tells no loss of the connection after the broker's DISCONNECT.
      gate_.tell("a DISCONNECT", [&](LinkEvents& to) { to.on_lost(refusal(static_cast<int>(reason))); });
    });
    client_.set_message_callback([this](const paho::const_message_ptr& message) {
      gate_.tell("a message", [&](LinkEvents& to) {
        to.on_message(message->get_topic(), message->get_payload_str(), message->is_retained());
      });
    });
  }

  void detach() { gate_.close(); }
  bool poisoned() const { return poisoned_; }
  paho::async_client& client() { return client_; }

  paho::iaction_listener& connecting() { return connecting_; }
  paho::iaction_listener& subscribing() { return subscribing_; }
  paho::iaction_listener& publishing() { return publishing_; }
  paho::iaction_listener& fencing() { return fencing_; }
  paho::iaction_listener& disconnecting() { return disconnecting_; }

 private:
  static paho::create_options create_options(Version version) {
    paho::create_options options(version == Version::v5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1);
    options.set_max_buffered_messages(Link::kWindow + kSpareBuffer);
    return options;
  }

  void connect_done(const paho::token& token, bool ok) {
    gate_.tell("a CONNACK", [&](LinkEvents& to) {
      ok ? to.on_connected(limits(token)) : to.on_connect_failed(connack_refusal(token));
    });
  }
  void subscribe_done(const paho::token& token, bool ok) {
    gate_.tell("a SUBACK", [&](LinkEvents& to) {
      const auto filter = reinterpret_cast<std::uintptr_t>(token.get_user_context());
      const int qos = ok ? granted(token) : 0;
      const int reason = std::max(refusal(qos), refusal(token));
      if (ok || reason != 0) to.on_subscribed(filter, reason, qos);
    });
  }
  void publish_done(const paho::token& token, bool ok) {
    int reason = ok ? 0 : refusal(token);
    if (!ok && reason == 0) {
      poisoned_ = true;  // a failed write; the connection goes with it, and what is undelivered is sent again
      return;
    }
    auto id = reinterpret_cast<std::uintptr_t>(token.get_user_context());
    gate_.tell("an acknowledgement", [&](LinkEvents& to) { to.on_published(id, reason); });
  }

  Gate gate_;
  std::atomic<bool> poisoned_ = false;

  Listener connecting_{[this](const paho::token& token, bool ok) { connect_done(token, ok); }};
  Listener subscribing_{[this](const paho::token& token, bool ok) { subscribe_done(token, ok); }};
  Listener publishing_{[this](const paho::token& token, bool ok) { publish_done(token, ok); }};
  Listener fencing_{[this](const paho::token& token, bool ok) {
    if (ok || refusal(token) != 0)
      gate_.tell("an UNSUBACK", [](LinkEvents& to) { to.on_fence(); });
  }};
  Listener disconnecting_{[this](const paho::token&, bool) {
    gate_.tell("the end of the connection", [](LinkEvents& to) { to.on_disconnected(); });
  }};
  paho::async_client client_;  // last: its destructor still calls the listeners
};

class PahoLink final : public Link {
 public:
  PahoLink(const Options& options, Version version, LinkEvents& events) : options_(options), version_(version) {
    const MutexLock lock(lifecycle());
    session_ = std::make_unique<Session>(options, version, events);
  }

  ~PahoLink() override {
    session_->detach();
    const MutexLock lock(lifecycle());
    if (session_->poisoned()) {
      (void)session_.release();  // see the class comment of Link
    } else {
      session_.reset();
    }
  }

  bool connect() override {
    return attempt([&] {
      paho::connect_options connect;
      fill(connect);
      session_->client().connect(connect, nullptr, session_->connecting());
    });
  }

  bool subscribe() override {
    // One packet a filter: for several at once Paho C++ 1.2.0 throws inside its callback when the first is refused.
    // What the broker retained comes, too: the device is named that sets the flag.
    return attempt([&] {
      for (std::uintptr_t i = 0; i < options_.subscriptions.size(); ++i) {
        session_->client().subscribe(options_.subscriptions[i], options_.subscribe_qos, reinterpret_cast<void*>(i),
                                     session_->subscribing());
      }
    });
  }

  Handed publish(const Outgoing& message) override {
    try {
      auto packet = paho::make_message(message.topic, message.payload, message.qos, false);
      session_->client().publish(packet, reinterpret_cast<void*>(static_cast<std::uintptr_t>(message.id)),
                                 session_->publishing());
      return Handed::taken;
    } catch (const paho::exception& fault) {
      const int code = fault.get_return_code();
      return code == MQTTASYNC_BAD_UTF8_STRING || code == MQTTASYNC_BAD_QOS ? Handed::refused : Handed::gone;
    } catch (const std::exception&) {
      return Handed::gone;
    }
  }

  bool fence() override {
    return attempt([&] { session_->client().unsubscribe(kFenceFilter, nullptr, session_->fencing()); });
  }

  bool disconnect() override {
    return attempt([&] { session_->client().disconnect(0, nullptr, session_->disconnecting()); });
  }

 private:
  template <class Do>
  bool attempt(Do work) {
    try {
      work();
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  // Fills an object that lives as long as the call that uses it: copies of connect_options point into the original.
  void fill(paho::connect_options& connect) const {
    if (version_ == Version::v5) {
      paho::properties properties;
      properties.add(
          {paho::property::SESSION_EXPIRY_INTERVAL, static_cast<std::int32_t>(options_.session_expiry.count())});
      properties.add({paho::property::MAXIMUM_PACKET_SIZE, kMaxPacketBytes});
      connect.set_mqtt_version(MQTTVERSION_5);
      connect.set_clean_start(options_.session_expiry.count() == 0);
      connect.set_properties(std::move(properties));
    } else {
      connect.set_mqtt_version(MQTTVERSION_3_1_1);
      connect.set_clean_session(options_.session_expiry.count() == 0);
    }
    connect.set_automatic_reconnect(false);
    connect.set_keep_alive_interval(options_.keepalive);
    connect.set_connect_timeout(kConnectTimeoutSeconds);
    connect.set_max_inflight(kWindow);
    if (!options_.username.empty()) connect.set_user_name(options_.username);
    if (!options_.password.empty()) connect.set_password(options_.password);
    if (options_.url.starts_with("ssl://") || options_.url.starts_with("mqtts://")) connect.set_ssl(ssl_options());
  }

  paho::ssl_options ssl_options() const {
    paho::ssl_options ssl;
    if (!options_.ca_file.empty()) ssl.set_trust_store(options_.ca_file);
    if (!options_.cert_file.empty()) ssl.set_key_store(options_.cert_file);
    if (!options_.key_file.empty()) ssl.set_private_key(options_.key_file);
    ssl.set_enable_server_cert_auth(true);
    ssl.set_verify(true);
    return ssl;
  }

  const Options options_;
  const Version version_;
  std::unique_ptr<Session> session_;
};

}  // namespace

std::unique_ptr<Link> Link::create(const Options& options, Version version, LinkEvents& events) {
  return std::make_unique<PahoLink>(options, version, events);
}

}  // namespace ota::mqtt
