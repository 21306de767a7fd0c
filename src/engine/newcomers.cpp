#include "engine/newcomers.hpp"

#include <fmt/format.h>

#include <utility>

#include "engine/task_service.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

constexpr int kLookedAtOnce = 2'000;      // devices
constexpr std::size_t kForgetMore = 100;  // so many in one look: the next comes soon
constexpr double kClaimsPerMinute = 6;    // rows of the audit log, after a burst of
constexpr double kClaimsAtOnce = 60;
constexpr double kSpread = 30;  // s: those that must come again don't come all at once

}  // namespace

int Newcomers::admit() {
  const int most = service_.options().devices.unproven_per_minute;
  const int wait = devices_.take(service_.now(), most, most);
  return wait == 0 ? 0 : wait + static_cast<int>(service_.random().unit() * kSpread);
}

void Newcomers::audit_claim(const std::string& device, const std::string& from) {
  if (claims_.take(service_.now(), kClaimsPerMinute, kClaimsAtOnce) > 0) {
    ++claims_left_out_;
    return;
  }
  AuditEntry entry;
  entry.caller = Caller("device", from);
  entry.action = "device.token";
  if (const auto left_out = std::exchange(claims_left_out_, 0); left_out > 0) {
    entry.target = fmt::format("{} devices", left_out);
    entry.outcome = "not written down";
    service_.audit(entry);
  }
  entry.target = device;
  entry.outcome = "done";
  service_.audit(std::move(entry));
}

void Newcomers::forget_ended() {
  for (const auto& id : std::exchange(asked_, {})) {
    const auto device = service_.registry.find(id);
    if (!device) continue;
    for (const auto number : service_.rows.tasks().ended_unasked(id, kEndedOfStranger)) {
      if (number == device->last_update) continue;
      while (service_.rows.transfer_log().remove_of(number, kLinesOfStranger) == kLinesOfStranger) {
      }
      service_.rows.unit.remove_task(number);
    }
  }
}

bool Newcomers::forget_absent() {
  const auto before = service_.wall() - std::chrono::days{service_.options().devices.forget_unproven_days};
  const auto found = service_.rows.devices().strangers(looked_at_, before, kLookedAtOnce);
  looked_at_ = found.last;
  std::size_t forgotten = 0;
  for (const auto& id : found.ids) {
    const auto device = service_.registry.find(id);
    if (!device || device->present_until_tl > service_.now()) continue;
    auto& unit = service_.rows.unit;
    if (service_.rows.tasks().asked_by_others(id) || unit.active_of(id) || unit.queue().ready_of(id)) continue;
    unit.remove_tasks_of(id);
    unit.remove_device(id);
    service_.idle_polls().forget(id);
    service_.events.device_removed(id, device->channel, "unproven");
    ++forgotten;
  }
  if (forgotten > 0)
    service_.after_commit([forgotten, days = service_.options().devices.forget_unproven_days] {
      log::info(fmt::format("{} unregistered devices that were offline for {} days were removed",
                            forgotten, days));
    });
  return forgotten >= kForgetMore;
}

}  // namespace ota::engine
