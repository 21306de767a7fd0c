// Reading a piece of an open file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "ota/base/result.hpp"

namespace ota::firmware {

/// Reads until `bytes` is full or the file ends; answers how many. `path` is for the error's words. Thread-safe.
Result<std::size_t> read_at(int descriptor, std::span<char> bytes, std::uint64_t offset,
                            const std::filesystem::path& path);

}  // namespace ota::firmware
