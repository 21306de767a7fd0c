// Room of a thread for bytes that nobody wants.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace ota::http {

/// All connections of a thread share it: what comes in over a wait is for the bin. Made when it is first asked for,
/// since every thread of the program would pay for room that stands ready.
inline std::span<char> scratch() {
  constexpr std::size_t kSize = 16 * 1024;
  static thread_local const auto bytes = std::make_unique_for_overwrite<char[]>(kSize);
  return {bytes.get(), kSize};
}

}  // namespace ota::http
