// How much of an image a device is sent at full speed.
#pragma once

#include <cstdint>

#include "ota/domain/task.hpp"

namespace ota {

/// Bytes that a task's device is sent at full speed: four images for each attempt, and 16 MiB. What goes beyond is the
/// same over and over, by a client that is wrong or means no good.
inline std::uint64_t download_allowance(const Task& task) {
  constexpr std::uint64_t kImagesOfAttempt = 4;
  constexpr std::uint64_t kForSmallOnes = 16u << 20;
  return kImagesOfAttempt * task.size * static_cast<std::uint64_t>(task.attempt) + kForSmallOnes;
}

/// Bytes/s for what goes beyond, all connections of the device together.
inline constexpr std::uint64_t kRepeatedDownloadRate = 256 * 1024;

}  // namespace ota
