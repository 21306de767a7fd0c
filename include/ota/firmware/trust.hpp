// Which firmware is trusted at present: checked at upload, at each order and at each offer.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "ota/base/mutex.hpp"
#include "ota/base/result.hpp"
#include "ota/domain/firmware.hpp"
#include "ota/firmware/signature.hpp"

namespace ota::firmware {

/// Thread-safe; no other lock is taken while its lock is held.
class Trust {
 public:
  /// No keys, and no signature is required.
  Trust() = default;
  Trust(TrustedKeys keys, bool signature_required);

  /// Replaces keys and rule, after a reload of the settings.
  void set(TrustedKeys keys, bool signature_required);
  /// Incremented by each set().
  std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }
  bool signature_required() const;

  /// Errc::signature_invalid, with the cause in words: not signed although it must be, signed by an untrusted key,
  /// or invalid.
  Result<void> judge(const Firmware& firmware) const;
  /// The same for a permission to install `firmware` as a downgrade.
  Result<void> judge(const Firmware& firmware, const DowngradePermission& permission) const;

 private:
  struct Policy {
    TrustedKeys keys;
    bool signature_required = false;
  };
  std::shared_ptr<const Policy> policy() const;

  mutable Mutex mutex_;
  std::shared_ptr<const Policy> policy_ OTA_GUARDED_BY(mutex_) = std::make_shared<Policy>();
  std::atomic<std::uint64_t> generation_{1};
};

}  // namespace ota::firmware
