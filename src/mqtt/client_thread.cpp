#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "mqtt/address.hpp"
#include "mqtt/client_impl.hpp"
#include "mqtt/disconnect_reason.hpp"
#include "mqtt/guarded.hpp"
#include "ota/base/backoff.hpp"
#include "ota/base/log.hpp"
#include "ota/base/random.hpp"

namespace ota::mqtt {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// A broker must answer a fence. If it doesn't, bulk messages must not wait for ever.
constexpr seconds kFencePatience{30};

}  // namespace

void ClientImpl::run() {
  const MutexLock lock(mutex_);
  for (unsigned step = 0; !stopping_;) {
    bool held = false;
    bool failed = false;
    {
      const MutexUnlock unlocked(mutex_);
      failed = !guarded("the connection", [&] {
        const MutexLock again(mutex_);
        held = connect() && serve();
      });
    }
    if (failed) {
      link_used_ = true;
      state_ = State::failed;
      detail_ = "an internal error ended the connection: see the log";
      outbox_.connection_lost(false);
      lose_bulk(false);
    }
    step = held ? 0 : step + 1;
    if (!stopping_) wait(held ? 0 : step - 1);
  }
  const MutexUnlock unlocked(mutex_);
  link_.reset();
}

// Publishes until the connection ends. True where the next try need not wait longer than the last one did: it held long
// enough, or one message is the cause of its end.
bool ClientImpl::serve() {
  const auto since = steady_clock::now();
  ++connects_;
  detail_.clear();
  bool subscribed = false;
  {
    const MutexUnlock unlocked(mutex_);
    if (auto address = parse_address(options_.url)) tune_sockets(address->port);
    subscribed = link_->subscribe();
    warned_.clear();
    log::info(fmt::format("mqtt: connected to {} as {} with MQTT {}", options_.url, options_.client_id,
                          to_string(link_version_)));
  }
  --unanswered_;
  announced_ = false;
  while (subscribed && state_ == State::connected && !done()) {
    announce();
    pump();
  }
  const auto bulk = lose_bulk(may_be_a_message(reason_));
  if (stopping_) {
    part();
    return true;
  }
  return after_loss(std::chrono::duration_cast<seconds>(steady_clock::now() - since), bulk);
}

// Whether to stop now; waits for something to do where not.
bool ClientImpl::done() {
  while (!stopping_ && !ready()) {
    if (!bulk_.fencing()) {
      wake_.wait(mutex_);
    } else if (!wake_.wait_until(mutex_, fence_until_)) {
      bulk_.fence_passed();
    }
  }
  if (!stopping_) return false;
  while (!ready() && wake_.wait_until(mutex_, stop_by_)) continue;
  return !ready() || outbox_.size() == 0;
}

void ClientImpl::announce() {
  if (unanswered_ > 0 || std::exchange(announced_, true) || !handlers_.on_connected) return;
  const MutexUnlock unlocked(mutex_);
  guarded("the connection's begin", handlers_.on_connected);
}

void ClientImpl::pump() {
  std::vector<Outgoing> batch;
  if (may_send()) batch = outbox_.take(Link::kWindow);
  bool fence = false;
  // Bulk is never acknowledged: among suspects it could be the cause of a break and not be seen.
  if (batch.empty() && !stopping_ && !outbox_.in_doubt()) {
    fence = bulk_.wants_fence();
    if (bulk_.may_take()) batch.push_back(bulk_.take());
  }
  if (fence) {
    bulk_.fence_sent();
    fence_until_ = steady_clock::now() + kFencePatience;
  }
  const int max_qos = max_qos_;
  bool connected = true;
  {
    const MutexUnlock unlocked(mutex_);
    for (auto& message : batch) {
      message.qos = std::min(message.qos, max_qos);
      connected = hand_over(message);
      if (!connected) break;
    }
    if (fence) connected = link_->fence();
  }
  // What Paho has not taken waits for the next connection.
  if (!connected && state_ == State::connected) state_ = State::lost;
}

// False where there is no connection any more.
bool ClientImpl::hand_over(const Outgoing& message) {
  const auto most = max_payload(message.topic.size());
  const bool too_large = message.payload.size() > most;
  const auto handed = too_large ? Link::Handed::refused : link_->publish(message);
  if (handed == Link::Handed::refused && (message.id & BulkLane::kIdBit) != 0) {
    on_bulk_written(message.id, 1);
  } else if (handed == Link::Handed::refused) {
    drop(message.id, too_large ? fmt::format("it has {} bytes and the broker accepts at most {}: raise its "
                                             "max_packet_size",
                                             message.payload.size(), most)
                               : "its topic is not valid in MQTT: check mqtt.topic_root");
  }
  return handed != Link::Handed::gone;
}

// With the connection goes what may be lost; after this none is taken until the next one.
BulkSuspects::Lost ClientImpl::lose_bulk(bool may_blame) {
  auto lost = bulk_.connection_lost(may_blame);
  const MutexUnlock unlocked(mutex_);
  for (const auto& sent : lost.sent) guarded("a lost chunk", [&] { sent(false); });
  return std::move(lost.blame);
}

void ClientImpl::part() {
  const auto left = outbox_.size();
  if (left > 0) {
    const MutexUnlock unlocked(mutex_);
    log::warn(fmt::format("mqtt: stopped with {} messages not delivered to {}", left, options_.url));
  }
  if (state_ != State::connected) return;
  hang_up();
  detail_ = "stopped";
}

// reconnect_min at least, and at most twice that the first time.
void ClientImpl::wait(unsigned step) {
  const milliseconds min = options_.reconnect_min;
  const Backoff backoff{min * 2, std::max<milliseconds>(options_.reconnect_max, min)};
  const auto pause = std::max(min, backoff.wait(step, random_.unit()));
  reconnect_now_ = false;
  const auto since = steady_clock::now();
  while (!stopping_ && wake_.wait_until(mutex_, since + min)) continue;
  while (!stopping_ && !reconnect_now_ && wake_.wait_until(mutex_, since + pause)) continue;
}

}  // namespace ota::mqtt
