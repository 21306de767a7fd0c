// Fields and headers that several bodies have. Each adds an error where the value breaks its rule.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ota/base/clock.hpp"
#include "ota/domain/rollout.hpp"
#include "ota/wire/json_fields.hpp"
#include "rest/context.hpp"

namespace ota::rest {

/// Of a text in a body, in bytes. Large: an invalid text should get its rule's message.
inline constexpr std::size_t kMaxText = 4096;

std::optional<WallTime> time_of(wire::JsonFields& fields, std::string_view name);
std::optional<std::string> hardware_of(wire::JsonFields& fields);
/// Required.
std::string version_of(wire::JsonFields& fields, std::string_view name);
std::optional<std::string> notes_of(wire::JsonFields& fields);
/// A number of devices: `40`, `"25%"`, and with `canary` also `"canary"`.
std::optional<Share> share_of(wire::JsonFields& fields, std::string_view name, bool canary = false);

/// The field is there, and isn't null.
bool given(const wire::JsonFields& fields, std::string_view name);

/// The body as an object; an empty one has no fields.
boost::asio::awaitable<Result<wire::JsonFields>> fields_of(Call& call);

/// The header; empty if it is missing.
Result<std::string> idempotency_key(const http::Request& request);

/// Adds the newest versions of the catalogue to an error about an unknown version; unchanged if they can't be read.
boost::asio::awaitable<Error> with_versions(Context& context, Error error);

}  // namespace ota::rest
