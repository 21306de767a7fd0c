// Bodies of hawkBit's clients, from JSON to values.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ota/base/result.hpp"
#include "ota/domain/action.hpp"
#include "ota/domain/messages.hpp"

namespace ota::ddi {

inline constexpr std::size_t kMaxBody = 64 * 1024;

/// A feedback. SWUpdate pastes log lines into it without escapes: of text that is no JSON the first `execution` and
/// `finished` count, and all of it is the message. Errc::bad_message.
Result<ActionReport> decode_feedback(std::string_view body, ActionId action);

/// PUT configData. Errc::bad_message.
Result<AttributeReport> decode_config(std::string_view body);

/// PUT installedBase: the version. Errc::bad_message.
Result<std::string> decode_installed(std::string_view body);

}  // namespace ota::ddi
