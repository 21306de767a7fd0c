#include "ota/firmware/trust.hpp"

#include <utility>

namespace ota::firmware {

Trust::Trust(TrustedKeys keys, bool signature_required)
    : policy_(std::make_shared<Policy>(Policy{std::move(keys), signature_required})) {}

void Trust::set(TrustedKeys keys, bool signature_required) {
  auto next = std::make_shared<const Policy>(Policy{std::move(keys), signature_required});
  {
    const MutexLock lock(mutex_);
    policy_ = std::move(next);
  }
  generation_.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<const Trust::Policy> Trust::policy() const {
  const MutexLock lock(mutex_);
  return policy_;
}

bool Trust::signature_required() const { return policy()->signature_required; }

Result<void> Trust::judge(const Firmware& firmware) const {
  const auto now = policy();
  if (!firmware.signature && !now->signature_required) return {};
  return now->keys.verify(firmware);
}

Result<void> Trust::judge(const Firmware& firmware, const DowngradePermission& permission) const {
  return policy()->keys.verify_downgrade(firmware, permission);
}

}  // namespace ota::firmware
