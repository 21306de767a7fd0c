#include "ota/wire/bearer.hpp"

#include "ota/base/text.hpp"

namespace ota::wire {

std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (!iequals(authorization.substr(0, kScheme.size()), kScheme)) return {};
  return trim(authorization.substr(kScheme.size()), " ");
}

}  // namespace ota::wire
