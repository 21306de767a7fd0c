#include "engine/trust_gate.hpp"

#include "engine/task_service.hpp"

namespace ota::engine {
namespace {

constexpr Millis kTrustRetry{60'000};  // firmware that isn't trusted is looked at again for a present device

}  // namespace

bool TrustGate::trusted(const Task& task) {
  const auto& trust = service_.options().trust;
  if (!trust) return true;
  if (trusted_.empty() || seen_ != trust->generation()) {
    trusted_.clear();
    seen_ = trust->generation();
  }
  const auto known = trusted_.find(task.firmware_id);
  if (known != trusted_.end()) return known->second;
  const auto found = service_.rows.firmware.find(task.firmware_id);
  const bool good = !found || trust->judge(*found);
  trusted_.emplace(task.firmware_id, good);
  return good;
}

bool TrustGate::holds_back(Task& task, bool present) {
  if (trusted(task)) return false;
  if (!present) return task.reason == kUntrusted;
  if (!task.state_due || task.reason != kUntrusted) {
    task.reason = kUntrusted;
    task.state_due = service_.now() + kTrustRetry;
    service_.lifecycle.save(task);
  }
  return true;
}

void TrustGate::withdraw() {
  if (!service_.options().trust || service_.options().trust->generation() == withdrawn_at_) return;
  withdrawn_at_ = service_.options().trust->generation();
  for (auto& task : service_.rows.tasks().all_active()) {
    if (!holds_slot(task.state) || trusted(task)) continue;
    if (!service_.lifecycle.change(task, TaskEvent::withdraw, by_engine(), kUntrusted)) continue;
    service_.push(task.device, CancelAnswer{task.id, CancelReason::preempted});
  }
}

}  // namespace ota::engine
