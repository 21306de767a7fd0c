// How many bytes of an image a device can download at full speed.
#pragma once

#include <cstdint>

#include "ota/domain/task.hpp"

namespace ota {

/// Bytes that the device of a task can download at full speed: four images for each attempt, plus 16 MiB. More means
/// that a faulty or malicious client downloads the same data repeatedly.
inline std::uint64_t download_allowance(const Task& task) {
  constexpr std::uint64_t kImagesOfAttempt = 4;
  constexpr std::uint64_t kForSmallOnes = 16u << 20;
  return kImagesOfAttempt * task.size * static_cast<std::uint64_t>(task.attempt) + kForSmallOnes;
}

/// Limit beyond that, in bytes/s, for all connections of the device together.
inline constexpr std::uint64_t kRepeatedDownloadRate = 256 * 1024;

}  // namespace ota
