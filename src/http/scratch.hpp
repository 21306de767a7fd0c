// Room of a thread for bytes that mean nothing after the next wait.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace ota::http {

inline constexpr std::size_t kScratch = 16 * 1024;

/// All connections of a thread share it: what comes in over a wait is for the bin. Made when it is first asked for,
/// since every thread of the program would pay for room that stands ready.
inline std::span<char> scratch() {
  static thread_local const auto bytes = std::make_unique_for_overwrite<char[]>(kScratch);
  return {bytes.get(), kScratch};
}

}  // namespace ota::http
