// The description of the REST interface, docs/openapi.yaml, built into the program.
#pragma once

#include <string_view>

namespace ota::rest {

/// An OpenAPI 3.1 document.
std::string_view openapi_json();
std::string_view openapi_yaml();

}  // namespace ota::rest
