// What isn't there is null in JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>

#include "ota/base/clock.hpp"
#include "rest/json.hpp"

namespace ota::rest {

inline Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }
inline Json or_null(const std::optional<WallTime>& time) { return time ? Json(to_rfc3339(*time)) : Json(nullptr); }
template <class T>
Json or_null(const std::optional<T>& value) {
  if (!value) return nullptr;
  if constexpr (std::is_enum_v<T>)
    return to_string(*value);
  else
    return *value;
}

}  // namespace ota::rest
