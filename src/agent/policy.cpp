#include "agent/policy.hpp"

#include <fmt/format.h>

#include "ota/domain/version.hpp"

namespace ota::agent {
namespace {

Firmware firmware_of(const Assignment& task) {
  Firmware firmware;
  firmware.version = task.version;
  firmware.hardware = task.hardware;
  firmware.size = task.grid.size;
  firmware.checksum = task.checksum;
  firmware.signature = task.signature;
  return firmware;
}

// Why the permission that came with the offer permits nothing; empty where it does.
std::string objection(const Assignment& task, const Firmware& firmware, const Policy& policy, WallTime now) {
  if (!task.downgrade) return "the offer carries no downgrade permission";
  if (policy.trusted == nullptr) return "without --trusted-key no downgrade permission is accepted";
  if (auto verified = policy.trusted->verify_downgrade(firmware, *task.downgrade); !verified)
    return verified.error().message;
  if (firmware::permits_downgrade(*task.downgrade, policy.device, now)) return {};
  return fmt::format("the downgrade permission is for {} until {}", task.downgrade->device, task.downgrade->expires);
}

}  // namespace

Result<void> may_install(const Assignment& task, const Policy& policy, WallTime now) {
  if (!task.hardware.empty() && !policy.hardware.empty() && task.hardware != policy.hardware) {
    return fail(Errc::wrong_hardware, fmt::format("firmware for {} on a {}", task.hardware, policy.hardware));
  }
  const auto firmware = firmware_of(task);
  if (policy.trusted != nullptr) {
    if (auto verified = policy.trusted->verify(firmware); !verified) return verified;
  }
  if (policy.allow_downgrade || policy.highest_version.empty() ||
      compare_versions(task.version, policy.highest_version) >= 0)
    return {};
  const auto why = objection(task, firmware, policy, now);
  if (why.empty()) return {};
  return fail(Errc::downgrade, fmt::format("{} is older than {}, which this device has run, and {}; --allow-downgrade "
                                           "accepts it",
                                           task.version, policy.highest_version, why));
}

bool same_version(std::string_view a, std::string_view b) {
  return a == b || (valid_version(a) && valid_version(b) && compare_versions(a, b) == 0);
}

}  // namespace ota::agent
