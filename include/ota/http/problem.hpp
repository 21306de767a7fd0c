// The one maker of application/problem+json (RFC 9457).
#pragma once

#include <span>
#include <string_view>

#include "ota/base/result.hpp"
#include "ota/http/message.hpp"

namespace ota::http {

/// Titles of codes that more than one module answers.
inline constexpr std::string_view kOverloaded = "Too much to do at the moment";
inline constexpr std::string_view kServerFault = "The server has a fault";
inline constexpr std::string_view kImageDamaged = "The stored image is damaged";

struct Problem {
  unsigned status = 500;
  std::string_view code;   ///< the stable word for programs; the type is `/problems/<code>`
  std::string_view title;  ///< the same for each problem of that code
  std::string_view detail;
  std::span<const FieldError> fields{};  ///< `errors`, left out where there are none
};

/// Text that is not UTF-8 is repaired. Kept by no cache.
Reply problem(const Problem& problem);

}  // namespace ota::http
