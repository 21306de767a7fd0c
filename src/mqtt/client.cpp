#include "ota/mqtt/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "mqtt/address.hpp"
#include "mqtt/bulk_lane.hpp"
#include "mqtt/cause.hpp"
#include "mqtt/link.hpp"
#include "mqtt/outbox.hpp"
#include "ota/base/log.hpp"
#include "ota/base/random.hpp"

namespace ota::mqtt {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A connection that lived this long was a good one: the waits begin anew.
constexpr std::chrono::seconds kHeld{10};
// Paho reports a failed connect after 10 s (and looks only every 3 s); silence beyond that is a fault of its threads.
constexpr std::chrono::seconds kConnectPatience{20};
constexpr std::chrono::seconds kDisconnectPatience{2};
// Of a PUBLISH at QoS 0 around its topic and payload: type, length (at most 4), topic's length, no properties.
constexpr std::size_t kPublishOverhead = 1 + 4 + 2 + 1;

// Everything happens on one own thread: connecting, waiting, handing messages to Paho. Paho's threads and callers of
// publish() only leave word under `mutex_`, which is never held across a call into Paho or a handler.
class ClientImpl final : public Client, private LinkEvents {
 public:
  ClientImpl(Options options, Handlers handlers, Random& random)
      : options_(std::move(options)),
        handlers_(std::move(handlers)),
        random_(random),
        outbox_(options_.max_outbox_messages, options_.max_outbox_bytes) {}

  ~ClientImpl() override { stop(milliseconds(0)); }

  void start() override {
    std::lock_guard lock(mutex_);
    if (!thread_.joinable() && !stopping_) thread_ = std::thread([this] { run(); });
  }

  void hurry() override {
    std::lock_guard lock(mutex_);
    hurried_ = true;
    wake_.notify_one();
  }

  bool publish(std::string topic, std::string payload, int qos) override {
    std::lock_guard lock(mutex_);
    if (stopping_ || !outbox_.push(std::move(topic), std::move(payload), std::clamp(qos, 0, 2))) {
      ++refused_;
      return false;
    }
    wake_.notify_one();
    return true;
  }

  bool publish_bulk(std::string topic, std::string payload, BulkSent sent) override {
    std::lock_guard lock(mutex_);
    if (stopping_ || state_ != State::connected) return false;
    if (topic.size() + payload.size() + kPublishOverhead > max_packet_) return false;
    if (!bulk_.push(std::move(topic), std::move(payload), std::move(sent))) return false;
    wake_.notify_one();
    return true;
  }

  std::size_t max_payload(std::size_t topic_bytes) const override {
    std::lock_guard lock(mutex_);
    const auto around = topic_bytes + kPublishOverhead;
    return state_ == State::connected && max_packet_ > around ? max_packet_ - around : 0;
  }

  Status status() const override {
    std::lock_guard lock(mutex_);
    return {state_ == State::connected && unanswered_ == 0,
            detail_,
            connects_,
            received_.load(),
            published_,
            refused_,
            outbox_.size(),
            bulk_.size()};
  }

  void stop(milliseconds grace) override {
    {
      std::lock_guard lock(mutex_);
      if (!stopping_) stop_by_ = steady_clock::now() + grace;
      stopping_ = true;
      wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  enum class State { idle, connecting, connected, failed, lost, disconnected };
  using Lock = std::unique_lock<std::mutex>;

  // --- own thread ---

  void run() {
    Lock lock(mutex_);
    for (unsigned step = 0; !stopping_;) {
      bool held = connect(lock) && serve(lock);
      step = held ? 0 : step + 1;
      if (!stopping_) wait(lock, held ? 0 : step - 1);
    }
    lock.unlock();
    link_.reset();
  }

  // True once the broker has taken us in; else says why not and answers false.
  bool connect(Lock& lock) {
    state_ = State::connecting;
    reason_ = 0;
    unanswered_ = options_.subscriptions.size() + 1;  // the one is dropped once the subscriptions are on their way
    bool fresh = std::exchange(link_used_, false) || !link_;
    lock.unlock();
    bool begun = (!fresh || renew_link()) && link_->connect();
    lock.lock();
    if (begun) {
      bool answered = wake_.wait_for(lock, kConnectPatience, [&] { return state_ != State::connecting || stopping_; });
      if (!answered || state_ == State::connecting) link_used_ = true;  // never heard of again
    }
    if (state_ == State::connected) return true;
    if (stopping_) return false;
    state_ = State::failed;
    int reason = reason_;
    lock.unlock();
    auto cause = reason != 0 ? describe_reason(reason, options_) : find_cause(options_);
    log::warn(fmt::format("mqtt: not connected to {}: {}", options_.url, cause));
    lock.lock();
    detail_ = std::move(cause);
    return false;
  }

  bool renew_link() {
    try {
      // In this order: Paho never sees its last client go, which would stop its threads.
      auto fresh = Link::create(options_, *this);
      link_ = std::move(fresh);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  // Publishes until the connection ends; true where it held long enough.
  bool serve(Lock& lock) {
    auto since = steady_clock::now();
    link_used_ = true;
    ++connects_;
    detail_.clear();
    lock.unlock();
    if (auto address = parse_address(options_.url)) tune_sockets(address->port);
    bool subscribed = link_->subscribe();
    log::info(fmt::format("mqtt: connected to {} as {}", options_.url, options_.client_id));
    lock.lock();
    --unanswered_;
    announced_ = false;
    while (subscribed && state_ == State::connected && !done(lock)) {
      announce(lock);
      pump(lock);
    }
    lose_bulk(lock);
    if (stopping_) {
      part(lock);
      return true;
    }
    outbox_.reset_in_flight();
    auto lived = steady_clock::now() - since;
    short_lives_ = lived < kHeld ? short_lives_ + 1 : 0;
    detail_ = why_lost();
    log::warn(fmt::format("mqtt: connection to {} lost after {} s: {}", options_.url,
                          std::chrono::duration_cast<std::chrono::seconds>(lived).count(), detail_));
    if (handlers_.on_lost) {
      lock.unlock();
      handlers_.on_lost();
      lock.lock();
    }
    return lived >= kHeld;
  }

  // With `mutex_` held. Mosquitto 2.0 closes without a word when another client connects under the same id.
  std::string why_lost() const {
    if (reason_ != 0) return describe_reason(reason_, options_);
    if (short_lives_ < 2) return "the connection broke off: reconnecting";
    return fmt::format(
        "the connection breaks off again and again: another client may use the id '{}', give each program its "
        "own; else look at the broker's log",
        options_.client_id);
  }

  // Whether to stop now; waits for something to do where not.
  bool done(Lock& lock) {
    auto ready = [&] {
      return state_ != State::connected || (outbox_.has_waiting() && outbox_.in_flight() < Link::kWindow) ||
             (bulk_.may_take() && !stopping_) || (stopping_ && outbox_.size() == 0) ||
             (unanswered_ == 0 && !announced_);
    };
    if (!stopping_) wake_.wait(lock, [&] { return stopping_ || ready(); });
    if (!stopping_) return false;
    bool in_time = wake_.wait_until(lock, stop_by_, ready);
    return !in_time || outbox_.size() == 0;
  }

  void announce(Lock& lock) {
    if (unanswered_ > 0 || std::exchange(announced_, true) || !handlers_.on_connected) return;
    lock.unlock();
    handlers_.on_connected();
    lock.lock();
  }

  void pump(Lock& lock) {
    auto batch = outbox_.take(Link::kWindow);
    if (batch.empty() && !stopping_ && bulk_.may_take()) batch.push_back(bulk_.take());
    lock.unlock();
    bool taken = true;
    for (const auto& message : batch) {
      taken = link_->publish(message);
      if (!taken) break;
    }
    lock.lock();
    // Paho refuses only where the connection is gone: what it has not taken waits for the next one.
    if (!taken && state_ == State::connected) state_ = State::lost;
  }

  // With the connection goes what may be lost; after this none is taken until the next one.
  void lose_bulk(Lock& lock) {
    auto lost = bulk_.clear();
    lock.unlock();
    for (const auto& sent : lost) sent(false);
    lock.lock();
  }

  void part(Lock& lock) {
    if (outbox_.size() > 0) {
      log::warn(fmt::format("mqtt: stopped with {} messages not delivered to {}", outbox_.size(), options_.url));
    }
    if (state_ != State::connected) return;
    lock.unlock();
    bool begun = link_->disconnect();
    lock.lock();
    if (begun) wake_.wait_for(lock, kDisconnectPatience, [&] { return state_ != State::connected; });
    state_ = State::disconnected;
    detail_ = "stopped";
  }

  // From reconnect_min to reconnect_max, doubling; each drawn from the upper half, so that many who lost the same
  // broker don't come back together.
  void wait(Lock& lock, unsigned step) {
    milliseconds min = options_.reconnect_min;
    milliseconds max = std::max<milliseconds>(options_.reconnect_max, min);
    auto top = std::min(max, min * (2L << std::min(step, 20u)));
    auto pause =
        std::max(min, milliseconds(static_cast<long>(static_cast<double>(top.count()) * (0.5 + random_.unit() / 2))));
    hurried_ = false;
    if (wake_.wait_for(lock, min, [&] { return stopping_; })) return;
    wake_.wait_for(lock, pause - min, [&] { return stopping_ || hurried_; });
  }

  // --- Paho's threads ---

  void become(State state, int reason) {
    std::lock_guard lock(mutex_);
    state_ = state;
    reason_ = reason;
    wake_.notify_one();
  }

  void on_connected(std::uint32_t max_packet) override {
    {
      std::lock_guard lock(mutex_);
      max_packet_ = max_packet;
    }
    become(State::connected, 0);
  }
  void on_connect_failed(int reason) override { become(State::failed, reason); }
  void on_lost(int reason) override { become(State::lost, reason); }
  void on_disconnected() override { become(State::disconnected, 0); }

  void on_message(std::string_view topic, std::string_view payload) override {
    ++received_;
    if (payload.size() > options_.max_payload_bytes) {
      if (handlers_.on_oversized) handlers_.on_oversized(topic, payload.size());
    } else if (handlers_.on_message) {
      handlers_.on_message(topic, payload);
    }
  }

  void on_published(std::uint64_t id, int reason) override {
    if ((id & BulkLane::kIdBit) != 0) return on_bulk_written(id, reason);
    bool tell = false;
    {
      std::lock_guard lock(mutex_);
      if (outbox_.delivered(id) && reason == 0) ++published_;
      tell = reason != 0 && !std::exchange(refusal_told_, true);
      if (outbox_.has_waiting() || stopping_) wake_.notify_one();
    }
    if (tell) {
      log::warn(
          fmt::format("mqtt: the broker refused a message ({}): check its access list; further ones are not logged",
                      short_reason(reason)));
    }
  }

  void on_bulk_written(std::uint64_t id, int reason) {
    std::optional<BulkSent> sent;
    {
      std::lock_guard lock(mutex_);
      sent = bulk_.written(id);
      if (bulk_.may_take()) wake_.notify_one();
    }
    if (sent) (*sent)(reason == 0);
  }

  void on_subscribed(std::size_t filter, int reason) override {
    std::string refusal;
    if (reason != 0) {
      refusal = fmt::format("subscription to {} refused ({}): allow user '{}' to read it in the broker's access list",
                            options_.subscriptions[filter], short_reason(reason), options_.username);
      log::error("mqtt: " + refusal);
    }
    std::lock_guard lock(mutex_);
    if (reason != 0) detail_ = std::move(refusal);
    --unanswered_;
    wake_.notify_one();
  }

  const Options options_;
  const Handlers handlers_;
  Random& random_;
  std::atomic<std::uint64_t> received_ = 0;
  std::unique_ptr<Link> link_;  // own thread
  bool link_used_ = false;      // own thread: it had its one connection
  int short_lives_ = 0;         // own thread: connections in a row that did not hold

  mutable std::mutex mutex_;  // protects what follows
  std::condition_variable wake_;
  Outbox outbox_;
  BulkLane bulk_;
  std::uint32_t max_packet_ = 0;  // of this connection
  State state_ = State::idle;
  int reason_ = 0;
  std::string detail_ = "not connected yet";
  std::uint64_t connects_ = 0;
  std::uint64_t published_ = 0;
  std::uint64_t refused_ = 0;
  std::size_t unanswered_ = 0;  // subscriptions of this connection
  bool announced_ = false;
  bool refusal_told_ = false;
  bool stopping_ = false;
  bool hurried_ = false;
  steady_clock::time_point stop_by_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Client> Client::create(Options options, Handlers handlers, Random& random) {
  return std::make_unique<ClientImpl>(std::move(options), std::move(handlers), random);
}

}  // namespace ota::mqtt
