// Between a verified image and its installation: the server's hold, and the owner's consent.
//
// The phase stays `verifying`, also on disk: after a restart the agent sends `verify` again, and asks the owner again.
#include <fmt/format.h>

#include <algorithm>

#include "agent/consent.hpp"
#include "agent/device.hpp"

namespace ota::agent {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

constexpr seconds kTellAgain{30};  // a server that doesn't accept that it is postponed repeats success

}  // namespace

void Device::on(const Hold& message) {
  if (!is_mine(message.task_id)) return image_is_gone(message.task_id);
  if (is_committed()) return;
  if (phase_ != Phase::verifying) {
    tell("error", "hold arrived before the image was complete: ignored");
    return;
  }
  ask_.clear();
  const auto why = message.until.empty() ? message.reason : fmt::format("{} until {}", message.reason, message.until);
  if (gate_.held != why) tell("hold", why);
  gate_.held = why;
  // The server plans without a device that will not install soon.
  if (!gate_.willing && !postpones()) gate_.willing = owner_agrees();
  verify_later(seconds(std::max(message.retry_after_s, 1)));
}

// Whether the owner lets it be installed now. Otherwise the server is told until when not.
bool Device::owner_agrees() {
  if (shared_.options.may_install.empty()) return true;
  if (!postpones()) {
    const auto outcome = run_may_install(shared_.options, id_, *task_, stopping_);
    if (outcome.kind == Outcome::Kind::interrupted) return false;
    if (outcome.kind != Outcome::Kind::exited) tell("error", describe("the may-install command", outcome));
    gate_.postponed = postponed_until(outcome, SystemClock().wall());
    if (!gate_.postponed) return true;
    gate_.willing = false;
    gate_.tell_again = {};
    tell("postponed", "until " + to_rfc3339(*gate_.postponed));
  }
  const auto now = steady_clock::now();
  if (now < gate_.tell_again) return false;
  gate_.tell_again = now + kTellAgain;
  send("progress", postponed_json(who_, task_->id, *gate_.postponed));
  return false;
}

bool Device::postpones() const { return gate_.postponed && *gate_.postponed > SystemClock().wall(); }

// It is the device's only message meanwhile: at least as often as an idle device's request, or it counts as offline.
void Device::verify_later(milliseconds delay) {
  delay = std::min<milliseconds>(delay, seconds(shared_.options.poll_s));
  if (postpones())
    delay = std::min(delay, std::chrono::ceil<milliseconds>(*gate_.postponed - SystemClock().wall()) + milliseconds(1));
  verify_.arm(steady_clock::now(), delay);
}

}  // namespace ota::agent
