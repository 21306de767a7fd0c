// Handles each message of the server (docs/device-protocol.md, Messages).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/device.hpp"
#include "ota/base/clock.hpp"

namespace ota::agent {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

void Device::connected(Time now) {
  if (control_.broker_connected()) {
    choice_.revived(Transport::mqtt);
    end_failures_wait(now);
  }
  if (phase_ == Phase::verifying) {
    verify_.arm(now);
  } else if (!is_committed()) {
    ask_.arm(now);
  }
}

void Device::handle(const std::string& payload) {
  auto message = parse_message(payload);
  if (!message) {
    tell("error", message.error().message);
    return;
  }
  std::visit([this](const auto& known) { on(known); }, *message);
}

Policy Device::policy() const {
  return {id_, who_.hardware, state_.versions().highest, shared_.trusted, shared_.options.allow_downgrade};
}

// Looks at all that an offer says before a byte of it is fetched or reserved. One that is refused changes nothing of
// the task that we are in.
bool Device::acceptable(const Assignment& task) {
  auto allowed = may_install(task, policy(), SystemClock().wall());
  const bool mine = is_mine(task.id);
  if (allowed && (!mine || task_->grid.size != task.grid.size))
    allowed = state_.make_room(task.checksum, task.grid.size);
  if (allowed) return true;
  const auto& why = allowed.error().message;
  tell(mine ? "error" : "failed", mine ? "an offer was ignored: " + why : why, task.id);
  if (mine) return false;
  send("progress", state_json(who_, task.id, "failed", why));
  if (task_) return false;
  // Not again by itself: the server decides what comes next.
  ask_.clear();
  finish(3);
  return false;
}

void Device::on(const Metadata& message) {
  if (is_committed() || message.task.id == last_done_ || !acceptable(message.task)) return;
  ask_.clear();
  choice_.set_order(message.task.transports);
  control_.learn_gateway(origin_of(message.task.chunk_url));
  if (!is_mine(message.task.id)) {
    begin(message.task);
    return;
  }
  if (phase_ == Phase::verifying) {
    // The attempt stays the one whose image we hold: its answer comes again.
    verify_.arm(steady_clock::now());
    return;
  }
  const auto attempt = task_->attempt;
  adopt(message.task);
  if (task_->attempt != attempt) tell("metadata");
  tell_known_chunks();
}

void Device::on(const Retry& message) {
  if (is_committed() || message.task.id == last_done_ || !acceptable(message.task)) return;
  ask_.clear();
  verify_.clear();
  choice_.set_order(message.task.transports);
  control_.learn_gateway(origin_of(message.task.chunk_url));
  auto now = steady_clock::now();
  if (!is_mine(message.task.id)) begin(message.task);
  adopt(message.task);
  cursor_ = 0;
  // Only a whole image that is wrong makes chunks doubtful whose digests were right. Else the server names what it has
  // received: our own record has precedence, and is reported again.
  bool anew = message.reason == "checksum_mismatch";
  if (!anew) {
    tell_known_chunks();
  } else if (image_) {
    image_->forget(task_->missing);
  } else {
    to_forget_ = task_->missing;
  }
  hold_until_ = now + seconds(message.retry_after_s);
  phase_ = Phase::downloading;
  keep("downloading");
  tell("retry", message.reason);
}

void Device::on(const Success& message) {
  if (!is_mine(message.task_id)) return success_of_none(message);
  if (is_committed()) return;
  if (phase_ != Phase::verifying) {
    tell("error", "success arrived before the image was complete: ignored");
    return;
  }
  ask_.clear();
  verify_.clear();
  if (!owner_agrees()) return verify_later(seconds(shared_.options.poll_s));
  confirm_ = message.confirm;
  install_ = {};
  install_.from_version = who_.current_version;
  keep("verified");
  phase_ = Phase::installing;
  tell("success");
}

// Success of a task that this device has not, or no more: the server waits for what became of it.
void Device::success_of_none(const Success& message) {
  const bool done = message.task_id == last_done_ ||
                    (!message.version.empty() && same_version(message.version, who_.current_version));
  if (done) return send("progress", state_json(who_, message.task_id, "installed", {}));
  image_is_gone(message.task_id);
}

void Device::image_is_gone(const std::string& task_id) {
  if (task_ || task_id == last_done_) return;
  ask_.clear();
  const std::string why = "the verified image is no longer on this device";
  tell("failed", why, task_id);
  send("progress", state_json(who_, task_id, "failed", why));
}

void Device::on(const Failed& message) {
  if (!is_mine(message.task_id) || is_committed()) return;
  tell("failed", message.reason);
  leave(false);
  finish(3);
}

void Device::on(const Queued& message) {
  tell("queued", fmt::format("position {}, asking again in {} s", message.position, message.retry_after_s),
       message.task_id);
  if (is_committed()) return;
  if (is_mine(message.task_id)) leave(true);
  ask_.arm(steady_clock::now(), seconds(std::max(message.retry_after_s, 1)));
}

void Device::on(const UpToDate&) {
  if (is_committed()) return;
  if (task_) leave(true);
  ask_.clear();
  tell("up_to_date");
  finish(0);
}

void Device::on(const Cancel& message) {
  if (!is_mine(message.task_id) || is_committed()) return;
  tell("cancel", message.reason);
  bool preempted = message.reason == "preempted";
  if (preempted) flush_progress(steady_clock::now(), true);
  leave(preempted);
  ask_.arm(steady_clock::now(), kAskBackoff.min);
  if (!preempted) finish(3);
}

void Device::on(const Refusal& message) {
  if (!message.task_id.empty() && message.task_id == last_done_) return;  // a late message after the end
  tell("error", message.code + ": " + message.message);
  auto now = steady_clock::now();
  if (is_committed()) return;
  if (message.code == "overloaded") {
    auto after = seconds(std::clamp(message.retry_after_s, 1, 3600));
    if (phase_ == Phase::verifying) {
      verify_.arm(now, after);
    } else if (ask_.armed()) {
      ask_.arm(now, after);
    }
    return;
  }
  if (message.code == "unknown_task" || message.code == "task_ended") {
    if (!is_mine(message.task_id) || is_committed()) return;
    leave(true);
    ask_.arm(now, kAskBackoff.min);
    return;
  }
  if (message.code == "bad_chunk_range" && is_mine(message.task_id) && source_ == &mqtt_) {
    choice_.exclude(Transport::mqtt);  // its chunks are too large for that transport
    return;
  }
  if (task_ || message.code == "server_fault" || message.code == "bad_chunk_range")
    return;  // what we repeat is repeated
  ask_.arm(now, kAskBackoff.max);
  finish(4);
}

}  // namespace ota::agent
