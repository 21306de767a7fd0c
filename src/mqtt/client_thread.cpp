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

// A connection that lived this long was a good one: the waits begin anew.
constexpr seconds kHeld{10};
// Paho reports a failed connect after 10 s (and checks only every 3 s); a longer time is an error in its threads.
constexpr seconds kConnectPatience{20};
constexpr seconds kDisconnectPatience{2};
constexpr std::chrono::minutes kWarnAgain{10};
constexpr int kUnsupportedVersion = 0x84;

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
      lose_bulk();
    }
    step = held ? 0 : step + 1;
    if (!stopping_) wait(held ? 0 : step - 1);
  }
  const MutexUnlock unlocked(mutex_);
  link_.reset();
}

// True once the broker has taken us in, with a version that is to be kept; else says why not and answers false.
bool ClientImpl::connect() {
  for (bool again = true; again && !stopping_;) {
    const auto version = versions_.next();
    if (connect_once(version)) {
      if (!versions_.connected()) return true;
      hang_up();
      continue;
    }
    if (stopping_) return false;
    state_ = State::failed;
    const int reason = reason_;
    std::string why;
    {
      const MutexUnlock unlocked(mutex_);
      auto cause = reason != 0 ? DisconnectReason{true, describe_reason(reason, options_)}
                               : find_disconnect_reason(options_, version);
      again =
          reason == kUnsupportedVersion ? versions_.refused() : reason == 0 && cause.reachable && versions_.hung_up();
      why = std::move(cause.text);
      log::write(again || !should_warn(why) ? log::Level::debug : log::Level::warn,
                 fmt::format("mqtt: not connected to {} with MQTT {}: {}", options_.url, to_string(version), why));
    }
    detail_ = std::move(why);
  }
  return false;
}

// Whether a failed connect is a warning: for a new cause, and for the same one once in kWarnAgain.
bool ClientImpl::should_warn(const std::string& cause) {
  const auto now = steady_clock::now();
  if (cause == warned_ && now - warned_at_ < kWarnAgain) return false;
  warned_ = cause;
  warned_at_ = now;
  return true;
}

bool ClientImpl::connect_once(Version version) {
  const bool fresh = std::exchange(link_used_, false) || !link_ || link_version_ != version;
  bool begun = true;
  if (fresh) {
    const MutexUnlock unlocked(mutex_);
    begun = renew_link(version);
  }
  // After that: until its end the link before may still report a loss, which isn't this one's.
  state_ = State::connecting;
  reason_ = 0;
  unanswered_ = options_.subscriptions.size() + 1;  // the additional one is removed when all subscriptions are sent
  if (begun) {
    const MutexUnlock unlocked(mutex_);
    begun = link_->connect();
  }
  if (begun) {
    const auto until = steady_clock::now() + kConnectPatience;
    while (state_ == State::connecting && !stopping_ && wake_.wait_until(mutex_, until)) continue;
    if (state_ == State::connecting) link_used_ = true;  // never heard of again
  }
  if (state_ != State::connected) return false;
  link_used_ = true;
  version_ = version;
  return true;
}

bool ClientImpl::renew_link(Version version) {
  try {
    // In this order: Paho never sees its last client go, which would stop its threads.
    auto fresh = Link::create(options_, version, *this);
    link_ = std::move(fresh);
    link_version_ = version;
    return true;
  } catch (const std::exception&) {
    return false;
  }
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
  lose_bulk();
  if (stopping_) {
    part();
    return true;
  }
  return after_loss(std::chrono::duration_cast<seconds>(steady_clock::now() - since));
}

bool ClientImpl::after_loss(seconds lived) {
  const auto lost = outbox_.connection_lost(may_be_a_message(reason_));
  const int reason = reason_;
  seconds barred{0};
  if (lost.victim) {
    ++dropped_;
    barred = barred_.bar(lost.victim->topic, steady_clock::now());
  }
  std::string why;
  {
    const MutexUnlock unlocked(mutex_);
    short_lives_ = lived < kHeld ? short_lives_ + 1 : 0;
    why = why_lost(reason, lost);
    log::warn(fmt::format("mqtt: connection to {} lost after {} s: {}", options_.url, lived.count(), why));
    if (lost.victim)
      report_dropped(*lost.victim,
                     fmt::format("the connection to the broker was lost twice while only this message was "
                                 "in flight ({} bytes): the broker's size limit or access list may forbid "
                                 "it; nothing more is sent to {} for {} s",
                                 lost.victim->payload.size(), lost.victim->topic, barred.count()));
    if (handlers_.on_lost) guarded("the loss of the connection", handlers_.on_lost);
  }
  detail_ = std::move(why);
  return lived >= kHeld || !lost.alone.empty();
}

// Mosquitto 2.0 closes without a word when another client connects under the same id. The broker's last reason stays
// the cause of the breaks that follow soon.
std::string ClientImpl::why_lost(int reason, const Outbox::Lost& lost) {
  if (reason != 0) {
    last_reason_ = describe_reason(reason, options_);
  } else if (short_lives_ == 0) {
    last_reason_.clear();
  }
  if (!last_reason_.empty()) return last_reason_;
  if (!lost.alone.empty())
    return fmt::format(
        "the broker closed the connection after a message to {}: its access list or its size limit may "
        "forbid that",
        lost.alone);
  if (short_lives_ < 2) return "connection lost: reconnecting";
  if (lost.in_flight > 0)
    return fmt::format(
        "the connection is lost repeatedly, with {} messages in flight: look at the broker's log; each message is now "
        "sent alone, to find one that the broker rejects",
        lost.in_flight);
  return fmt::format(
      "the connection is lost repeatedly: another client may use the id '{}', give each program its own; otherwise "
      "look at the broker's log",
      options_.client_id);
}

// Whether to stop now; waits for something to do where not.
bool ClientImpl::done() {
  while (!stopping_ && !ready()) wake_.wait(mutex_);
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
  // Bulk is never acknowledged: among suspects it could be the cause of a break and not be seen.
  if (batch.empty() && !stopping_ && !outbox_.in_doubt() && bulk_.may_take()) batch.push_back(bulk_.take());
  const int max_qos = max_qos_;
  bool connected = true;
  {
    const MutexUnlock unlocked(mutex_);
    for (auto& message : batch) {
      message.qos = std::min(message.qos, max_qos);
      connected = hand_over(message);
      if (!connected) break;
    }
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
void ClientImpl::lose_bulk() {
  auto lost = bulk_.clear();
  const MutexUnlock unlocked(mutex_);
  for (const auto& sent : lost) guarded("a lost chunk", [&] { sent(false); });
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

void ClientImpl::hang_up() {
  bool begun = false;
  {
    const MutexUnlock unlocked(mutex_);
    begun = link_->disconnect();
  }
  const auto until = steady_clock::now() + kDisconnectPatience;
  while (begun && state_ == State::connected && wake_.wait_until(mutex_, until)) continue;
  state_ = State::disconnected;
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
