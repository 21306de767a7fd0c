// How a connection begins and ends: functions of the client's own thread.
#include <fmt/format.h>

#include <utility>

#include "mqtt/client_impl.hpp"
#include "mqtt/disconnect_reason.hpp"
#include "mqtt/guarded.hpp"
#include "ota/base/log.hpp"

namespace ota::mqtt {
namespace {

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

bool ClientImpl::after_loss(seconds lived, const BulkSuspects::Lost& bulk) {
  const auto lost = outbox_.connection_lost(may_be_a_message(reason_), bulk.unproven);
  const auto& alone = lost.alone.empty() ? bulk.alone : lost.alone;
  const int reason = reason_;
  seconds barred{0};
  seconds bulk_barred{0};
  if (!bulk.cause.empty()) {
    ++dropped_;
    bulk_barred = barred_.bar(bulk.cause, steady_clock::now());
  }
  if (lost.victim) {
    dropped_ += 1 + lost.removed;
    barred = barred_.bar(lost.victim->topic, steady_clock::now());
  }
  std::string why;
  {
    const MutexUnlock unlocked(mutex_);
    short_lives_ = lived < kHeld ? short_lives_ + 1 : 0;
    why = why_lost(reason, lost, alone);
    log::warn(fmt::format("mqtt: connection to {} lost after {} s: {}", options_.url, lived.count(), why));
    report_causes(lost, barred, bulk, bulk_barred);
    if (handlers_.on_lost) guarded("the loss of the connection", handlers_.on_lost);
  }
  detail_ = std::move(why);
  return lived >= kHeld || !alone.empty();
}

void ClientImpl::report_causes(const Outbox::Lost& lost, seconds barred, const BulkSuspects::Lost& bulk,
                               seconds bulk_barred) const {
  if (lost.victim)
    report_dropped(*lost.victim,
                   fmt::format("the connection to the broker was lost twice while only this message was in flight ({} "
                               "bytes): the broker's size limit or access list may forbid it; nothing more is sent to "
                               "{} for {} s",
                               lost.victim->payload.size(), lost.victim->topic, barred.count()));
  if (!bulk.cause.empty())
    report_dropped({0, bulk.alone, {}, 0},
                   fmt::format("the connection to the broker was lost twice after such a message: the broker's access "
                               "list or size limit may forbid it; nothing more is sent to {}/... for {} s",
                               bulk.cause, bulk_barred.count()));
}

// Mosquitto 2.0 closes without a word when another client connects under the same id. The broker's last reason stays
// the cause of the breaks that follow soon.
std::string ClientImpl::why_lost(int reason, const Outbox::Lost& lost, const std::string& alone) {
  if (reason != 0) {
    last_reason_ = describe_reason(reason, options_);
  } else if (short_lives_ == 0) {
    last_reason_.clear();
  }
  if (!last_reason_.empty()) return last_reason_;
  if (!alone.empty())
    return fmt::format(
        "the broker closed the connection after a message to {}: its access list or its size limit may "
        "forbid that",
        alone);
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

}  // namespace ota::mqtt
