#include "ota/mqtt/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "mqtt/client_impl.hpp"
#include "mqtt/disconnect_reason.hpp"
#include "mqtt/guarded.hpp"
#include "ota/base/log.hpp"

namespace ota::mqtt {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Of a PUBLISH around its topic and payload: type, length (at most 4), topic's length, packet id, no properties.
constexpr std::size_t kPublishOverhead = 1 + 4 + 2 + 2 + 1;

}  // namespace

std::string_view to_string(Version version) {
  switch (version) {
    case Version::v5:
      return "5";
    case Version::v3_1_1:
      return "3.1.1";
    default:
      return "auto";
  }
}

std::optional<Version> parse_version(std::string_view text) {
  for (const auto version : {Version::automatic, Version::v5, Version::v3_1_1})
    if (text == to_string(version)) return version;
  return std::nullopt;
}

ClientImpl::ClientImpl(Options options, Handlers handlers, Random& random)
    : options_(std::move(options)),
      handlers_(std::move(handlers)),
      random_(random),
      versions_(options_.version),
      outbox_(options_.max_outbox_messages, options_.max_outbox_bytes) {}

void ClientImpl::start() {
  const MutexLock lock(mutex_);
  if (!thread_.joinable() && !stopping_) thread_ = std::thread([this] { run(); });
}

void ClientImpl::reconnect_now() {
  const MutexLock lock(mutex_);
  reconnect_now_ = true;
  wake_.notify_one();
}

bool ClientImpl::publish(std::string topic, std::string payload, int qos) {
  {
    const MutexLock lock(mutex_);
    const bool barred = !barred_.empty() && barred_.bars(topic, steady_clock::now());
    if (!barred) {
      if (stopping_ || !outbox_.push(std::move(topic), std::move(payload), std::clamp(qos, 0, 2))) {
        ++refused_;
        return false;
      }
      wake_.notify_one();
      return true;
    }
    ++dropped_;
  }
  report_dropped({0, std::move(topic), std::move(payload), qos},
                 "a recent message to that topic ended the connection to the broker");
  return true;
}

bool ClientImpl::publish_bulk(std::string group, std::string topic, std::string payload, BulkSent sent) {
  if (payload.size() > max_payload(topic.size())) return false;
  const MutexLock lock(mutex_);
  if (stopping_ || state_ != State::connected || barred_.bars(group, steady_clock::now())) return false;
  if (!bulk_.push(std::move(group), std::move(topic), std::move(payload), std::move(sent))) return false;
  wake_.notify_one();
  return true;
}

bool ClientImpl::bulk_barred(const std::string& group) const {
  const MutexLock lock(mutex_);
  return barred_.bars(group, steady_clock::now());
}

std::size_t ClientImpl::max_payload(std::size_t topic_bytes) const {
  const std::size_t packet = max_packet_;
  const auto around = topic_bytes + kPublishOverhead;
  return packet > around ? packet - around : 0;
}

Status ClientImpl::status() const {
  const MutexLock lock(mutex_);
  return {state_ == State::connected && unanswered_ == 0,
          detail_,
          connects_,
          received_.load(),
          published_,
          refused_,
          outbox_.size(),
          bulk_.size(),
          dropped_,
          version_};
}

void ClientImpl::stop(milliseconds grace) {
  {
    const MutexLock lock(mutex_);
    if (!stopping_) stop_by_ = steady_clock::now() + grace;
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

// --- Paho's threads ---

void ClientImpl::become(State state, int reason) {
  const MutexLock lock(mutex_);
  state_ = state;
  reason_ = reason;
  wake_.notify_one();
}

void ClientImpl::on_connected(const Limits& limits) {
  max_packet_ = limits.max_packet;
  {
    const MutexLock lock(mutex_);
    max_qos_ = limits.max_qos;
  }
  become(State::connected, 0);
}

void ClientImpl::on_message(std::string_view topic, std::string_view payload, bool retained) {
  ++received_;
  if (retained) {
    if (handlers_.on_retained) handlers_.on_retained(topic);
  } else if (payload.size() > options_.max_payload_bytes) {
    if (handlers_.on_oversized) handlers_.on_oversized(topic, payload.size());
  } else if (handlers_.on_message) {
    handlers_.on_message(topic, payload);
  }
}

void ClientImpl::on_published(std::uint64_t id, int reason) {
  if ((id & BulkLane::kIdBit) != 0) return on_bulk_written(id, reason);
  if (reason != 0) {
    return drop(id, fmt::format("the broker refused it ({}): check its access list and limits", short_reason(reason)));
  }
  const MutexLock lock(mutex_);
  if (outbox_.delivered(id)) ++published_;
  if (outbox_.has_waiting() || bulk_waits() || stopping_) wake_.notify_one();
}

void ClientImpl::on_bulk_written(std::uint64_t id, int reason) {
  std::optional<BulkSent> sent;
  {
    const MutexLock lock(mutex_);
    sent = bulk_.written(id);
    if (bulk_waits()) wake_.notify_one();
  }
  if (sent) (*sent)(reason == 0);
}

void ClientImpl::on_subscribed(std::size_t filter, int reason, int qos) {
  std::string refusal;
  if (reason != 0) {
    refusal = fmt::format("subscription to {} refused ({}): allow user '{}' to read it in the broker's access list",
                          options_.subscriptions[filter], short_reason(reason), options_.username);
    log::error("mqtt: " + refusal);
  }
  const MutexLock lock(mutex_);
  if (reason != 0) detail_ = std::move(refusal);
  // A broker of 3.1.1 has no other way to say so: RabbitMQ acknowledges QoS 2 as if it were 1, which ends nothing.
  if (reason == 0 && qos < options_.subscribe_qos) max_qos_ = std::min(max_qos_, qos);
  --unanswered_;
  wake_.notify_one();
}

void ClientImpl::on_fence() {
  const MutexLock lock(mutex_);
  bulk_.fence_passed();
  if (bulk_waits()) wake_.notify_one();
}

// --- any thread ---

void ClientImpl::drop(std::uint64_t id, const std::string& why) {
  std::optional<Outgoing> message;
  {
    const MutexLock lock(mutex_);
    message = outbox_.delivered(id);
    if (message) ++dropped_;
    wake_.notify_one();
  }
  if (message) report_dropped(*message, why);
}

void ClientImpl::report_dropped(const Outgoing& message, const std::string& why) const {
  guarded("a dropped message", [&] {
    if (handlers_.on_dropped) {
      handlers_.on_dropped(message.topic, message.payload, why);
    } else {
      log::warn(fmt::format("mqtt: a message to {} is dropped: {}", message.topic, why));
    }
  });
}

// --- mutex_ is held ---

// With 3.1.1 the QoS that the broker has is known once it answered the subscriptions.
bool ClientImpl::may_send() const { return version_ == Version::v5 || unanswered_ == 0; }

bool ClientImpl::work_waits() const {
  if (may_send() && outbox_.can_take(Link::kWindow)) return true;
  return bulk_waits() && !stopping_ && !outbox_.in_doubt();
}

bool ClientImpl::bulk_waits() const { return bulk_.may_take() || bulk_.wants_fence(); }

bool ClientImpl::ready() const {
  return state_ != State::connected || work_waits() || (stopping_ && outbox_.size() == 0) ||
         (unanswered_ == 0 && !announced_);
}

std::unique_ptr<Client> Client::create(Options options, Handlers handlers, Random& random) {
  return std::make_unique<ClientImpl>(std::move(options), std::move(handlers), random);
}

}  // namespace ota::mqtt
