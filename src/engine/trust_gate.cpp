#include "engine/trust_gate.hpp"

#include <utility>

#include "engine/task_service.hpp"

namespace ota::engine {
namespace {

constexpr Millis kTrustRetry{60'000};  // firmware that isn't trusted is looked at again for a present device

}  // namespace

bool TrustGate::trusted(const Task& task) {
  const auto& trust = service_.options().trust;
  const auto generation = trust ? trust->generation() : 0;
  if (changed_ || seen_ != generation) {
    trusted_.clear();
    seen_ = generation;
  }
  const auto known = trusted_.find(task.firmware_id);
  if (known != trusted_.end()) return known->second;
  bool good = false;  // also where its row can't be read
  try {
    const auto found = service_.rows.firmware.find(task.firmware_id);
    good = !found || (!found->blocked && (!trust || trust->judge(*found)));
  } catch (const storage::BadRow&) {
  }
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
  const auto& trust = service_.options().trust;
  const auto generation = trust ? trust->generation() : 0;
  if (!changed_ && generation == withdrawn_at_) return;
  if (std::exchange(changed_, false)) trusted_.clear();
  withdrawn_at_ = generation;
  for (auto& task : service_.rows.tasks().all_active()) {
    if (!holds_slot(task.state) || trusted(task)) continue;
    if (!service_.lifecycle.change(task, TaskEvent::withdraw, by_engine(), kUntrusted)) continue;
    service_.push(task.device, CancelAnswer{task.id, CancelReason::preempted});
  }
}

}  // namespace ota::engine
