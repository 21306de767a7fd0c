// Operators' API keys.
#pragma once

#include "ota/engine/engine.hpp"

namespace ota::engine {

class TaskService;

/// Errc::in_use, Errc::not_found.
Result<ApiKey> on_put_key(TaskService& service, const KeyChange& change);
/// Errc::not_found.
Result<void> on_remove_key(TaskService& service, const std::string& name);
/// In the audit log.
const char* action_of(KeyChange::What what);

}  // namespace ota::engine
