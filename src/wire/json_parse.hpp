// JSON text to a value, bounded and without duplicate keys.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "ota/base/result.hpp"
#include "ota/wire/json_fields.hpp"

namespace ota::wire {

/// The text as one JSON value. Iterative: nesting uses no stack. The error has `code`.
Result<std::unique_ptr<nlohmann::json>> parse_json(std::string_view text, Errc code, const JsonLimits& limits);

/// A field's name as errors show it: at most 64 bytes of it.
std::string shorten(std::string_view name);

}  // namespace ota::wire
