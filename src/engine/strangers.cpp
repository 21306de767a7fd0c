// Devices that nobody stands behind: how many are taken in, what they may hold, when they go (api.md, settings).
#include <fmt/format.h>

#include "engine/ledger.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

constexpr int kMaxQueuedOfDevice = 1'000;
constexpr int kLookedAtOnce = 2'000;      // devices
constexpr std::size_t kForgetMore = 100;  // so many in one look: the next comes soon
constexpr double kClaimsPerMinute = 6;    // rows of the audit log, after a burst of
constexpr double kClaimsAtOnce = 60;
constexpr double kSpread = 30;  // s: who is told to come again comes not all at once

}  // namespace

int Ledger::admit_stranger() {
  const int most = options_.devices.unproven_per_minute;
  const int wait = strangers_.take(now_, most, most);
  return wait == 0 ? 0 : wait + static_cast<int>(random_.unit() * kSpread);
}

void Ledger::audit_claim(const std::string& device, const std::string& from) {
  if (claims_.take(now_, kClaimsPerMinute, kClaimsAtOnce) > 0) {
    ++claims_left_out_;
    return;
  }
  AuditEntry entry;
  entry.caller = Caller("device", from);
  entry.action = "device.token";
  if (const auto left_out = std::exchange(claims_left_out_, 0); left_out > 0) {
    entry.target = fmt::format("{} devices", left_out);
    entry.outcome = "not written down";
    audit(entry);
  }
  entry.target = device;
  entry.outcome = "done";
  audit(std::move(entry));
}

void Ledger::vouch_for(const std::string& device) {
  const auto asked = [this](Task task) {
    if (!std::exchange(task.unasked, false)) return;
    save(task);
  };
  for (auto& task : tasks.queued_of(device, kMaxQueuedOfDevice)) asked(std::move(task));
  if (auto active = load_active(device)) asked(std::move(*active));
  touch(device);
}

void Ledger::forget_ended(const Device& device) {
  for (const auto number : tasks.ended_unasked(device.id, kEndedOfStranger)) {
    if (number == device.last_update) continue;
    while (transfer_log.remove_of(number, kLinesOfStranger) == kLinesOfStranger) {
    }
    tasks.remove(number);
  }
}

bool Ledger::forget_strangers() {
  write_device();
  const auto before = wall_ - std::chrono::days{options_.devices.forget_unproven_days};
  const auto found = devices.strangers(looked_at_, before, kLookedAtOnce);
  looked_at_ = found.last;
  std::size_t forgotten = 0;
  for (const auto& id : found.ids) {
    const auto device = find_device(id);
    if (!device || device->present_until_tl > now_) continue;
    if (tasks.asked_by_others(id) || tasks.active_of(id) || tasks.ready_of(id)) continue;
    tasks.remove_of(id);
    remove_device(id);
    ++forgotten;
  }
  if (forgotten > 0)
    after_commit([forgotten, days = options_.devices.forget_unproven_days] {
      log::info(fmt::format("{} devices that nobody registered and that were not heard for {} days were removed",
                            forgotten, days));
    });
  return forgotten >= kForgetMore;
}

}  // namespace ota::engine
