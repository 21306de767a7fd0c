// A buffer of each thread for bytes that are discarded.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace ota::http {

/// All connections of a thread share it, because its content is never used. Created on first use; otherwise every
/// thread of the program would allocate one.
inline std::span<char> scratch() {
  constexpr std::size_t kSize = 16 * 1024;
  static thread_local const auto bytes = std::make_unique_for_overwrite<char[]>(kSize);
  return {bytes.get(), kSize};
}

}  // namespace ota::http
