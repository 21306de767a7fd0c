#pragma once

#include <nlohmann/json.hpp>

#include "rest/context.hpp"
#include "rest/json.hpp"

namespace ota::rest {

/// What `GET /readyz` answers; `status` is `ready` or `not_ready`.
boost::asio::awaitable<Json> health_json(Context& context);

/// When `otad backup` last wrote one; nothing: never.
std::optional<WallTime> last_backup(storage::ReadView& view);

}  // namespace ota::rest
