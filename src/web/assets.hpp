// The files of the page, made by src/web/build.mjs and compiled in.
#pragma once

#include <span>
#include <string_view>

namespace ota::web {

struct Asset {
  std::string_view path;
  std::string_view content_type;
  std::string_view digest;  ///< of its bytes before compression: the strong validator's base, hexadecimal
  std::string_view gzip;    ///< RFC 1952
};

/// The document `/` first; empty if the page was not built.
std::span<const Asset> assets() noexcept;

}  // namespace ota::web
