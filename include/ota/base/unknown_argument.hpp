// What to say of an argument that a program doesn't know.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ota {

/// `unknown argument X; ` and the name that is nearest to `word` up to its `=`, or all of `known` if none is near.
/// Characters that aren't printable are escaped.
std::string unknown_argument(std::string_view word, std::span<const std::string> known);

}  // namespace ota
