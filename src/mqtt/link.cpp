#include "mqtt/link.hpp"

#include <mqtt/async_client.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

namespace ota::mqtt {
namespace {

namespace paho = ::mqtt;

constexpr int kSpareBuffer = 64;  // for subscriptions and bulk messages
constexpr int kConnectTimeoutSeconds = 10;
constexpr std::int32_t kMaxPacketBytes = 32 << 20;
constexpr int kRefusal = 0x80;

std::mutex& lifecycle() {
  static std::mutex mutex;
  return mutex;
}

int refusal(int code) { return code >= kRefusal ? code : 0; }

int refusal(const paho::token& token) {
  // A CONNACK's code comes as the return code, a PUBACK's as the reason code.
  return std::max(refusal(token.get_return_code()), refusal(static_cast<int>(token.get_reason_code())));
}

std::uint32_t max_packet(const paho::token& token) {
  try {
    const auto response = token.get_connect_response();
    const auto& properties = response.get_properties();
    if (properties.contains(paho::property::MAXIMUM_PACKET_SIZE))
      return paho::get<std::uint32_t>(properties, paho::property::MAXIMUM_PACKET_SIZE);
  } catch (const std::exception&) {  // the broker's answer had no properties
  }
  return Link::kLargestPacket;
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

// Everything that Paho's callbacks touch; outlives the link where the Paho client has to be left behind.
class Session {
 public:
  Session(const Options& options, LinkEvents& events)
      : events_(&events), client_(options.url, options.client_id, create_options()) {
    client_.set_connection_lost_handler([this](const std::string&) { tell([&](LinkEvents& to) { to.on_lost(0); }); });
    client_.set_disconnected_handler([this](const paho::properties&, paho::ReasonCode reason) {
      // Paho tells no loss of the connection after the broker's DISCONNECT.
      tell([&](LinkEvents& to) { to.on_lost(refusal(static_cast<int>(reason))); });
    });
    client_.set_message_callback([this](const paho::const_message_ptr& message) {
      tell([&](LinkEvents& to) { to.on_message(message->get_topic(), message->get_payload_str()); });
    });
  }

  // Waits for a running event; none follows.
  void detach() {
    std::lock_guard lock(mutex_);
    events_ = nullptr;
  }

  bool poisoned() const { return poisoned_; }
  paho::async_client& client() { return client_; }

  paho::iaction_listener& connecting() { return connecting_; }
  paho::iaction_listener& subscribing() { return subscribing_; }
  paho::iaction_listener& publishing() { return publishing_; }
  paho::iaction_listener& disconnecting() { return disconnecting_; }

 private:
  static paho::create_options create_options() {
    paho::create_options options(MQTTVERSION_5);
    options.set_max_buffered_messages(Link::kWindow + kSpareBuffer);
    return options;
  }

  template <class Say>
  void tell(Say say) {
    std::lock_guard lock(mutex_);
    if (events_ != nullptr) say(*events_);
  }

  void connect_done(const paho::token& token, bool ok) {
    const auto largest = ok ? max_packet(token) : 0;
    tell([&](LinkEvents& to) { ok ? to.on_connected(largest) : to.on_connect_failed(refusal(token)); });
  }
  void subscribe_done(const paho::token& token, bool ok) {
    auto filter = reinterpret_cast<std::uintptr_t>(token.get_user_context());
    int reason = refusal(token);
    if (ok || reason != 0) tell([&](LinkEvents& to) { to.on_subscribed(filter, reason); });
  }
  void publish_done(const paho::token& token, bool ok) {
    int reason = ok ? 0 : refusal(token);
    if (!ok && reason == 0) {
      poisoned_ = true;  // a failed write; the connection goes with it, and what is undelivered is sent again
      return;
    }
    auto id = reinterpret_cast<std::uintptr_t>(token.get_user_context());
    tell([&](LinkEvents& to) { to.on_published(id, reason); });
  }

  std::mutex mutex_;
  LinkEvents* events_;  // protected by mutex_
  std::atomic<bool> poisoned_ = false;

  Listener connecting_{[this](const paho::token& token, bool ok) { connect_done(token, ok); }};
  Listener subscribing_{[this](const paho::token& token, bool ok) { subscribe_done(token, ok); }};
  Listener publishing_{[this](const paho::token& token, bool ok) { publish_done(token, ok); }};
  Listener disconnecting_{[this](const paho::token&, bool) { tell([](LinkEvents& to) { to.on_disconnected(); }); }};
  paho::async_client client_;  // last: its destructor still calls the listeners
};

class PahoLink final : public Link {
 public:
  PahoLink(const Options& options, LinkEvents& events) : options_(options) {
    std::lock_guard lock(lifecycle());
    session_ = std::make_unique<Session>(options, events);
  }

  ~PahoLink() override {
    session_->detach();
    std::lock_guard lock(lifecycle());
    if (session_->poisoned()) {
      session_.release();  // see the class comment of Link
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
    return attempt([&] {
      for (std::uintptr_t i = 0; i < options_.subscriptions.size(); ++i) {
        session_->client().subscribe(options_.subscriptions[i], options_.subscribe_qos, reinterpret_cast<void*>(i),
                                     session_->subscribing());
      }
    });
  }

  bool publish(const Outgoing& message) override {
    return attempt([&] {
      auto packet = paho::make_message(message.topic, message.payload, message.qos, false);
      session_->client().publish(packet, reinterpret_cast<void*>(static_cast<std::uintptr_t>(message.id)),
                                 session_->publishing());
    });
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
    paho::properties properties;
    properties.add(
        {paho::property::SESSION_EXPIRY_INTERVAL, static_cast<std::int32_t>(options_.session_expiry.count())});
    properties.add({paho::property::MAXIMUM_PACKET_SIZE, kMaxPacketBytes});
    connect.set_mqtt_version(MQTTVERSION_5);
    connect.set_clean_start(false);
    connect.set_automatic_reconnect(false);
    connect.set_keep_alive_interval(options_.keepalive);
    connect.set_connect_timeout(kConnectTimeoutSeconds);
    connect.set_max_inflight(kWindow);
    connect.set_properties(std::move(properties));
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
  std::unique_ptr<Session> session_;
};

}  // namespace

std::unique_ptr<Link> Link::create(const Options& options, LinkEvents& events) {
  return std::make_unique<PahoLink>(options, events);
}

}  // namespace ota::mqtt
