// Values of the server's answers.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace ota::otactl {

/// In the order in which the server sends it.
using Json = nlohmann::ordered_json;

/// The value at a JSON pointer; null where there is none.
const Json& at(const Json& json, const char* pointer);
const Json& at(Json&& json, const char* pointer) = delete;  ///< it would not outlive the call
/// The text there, printable (terminal.hpp); empty where there is none.
std::string text_at(const Json& json, const char* pointer);
/// 0 where there is none.
std::int64_t number_at(const Json& json, const char* pointer);

}  // namespace ota::otactl
