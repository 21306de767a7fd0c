#pragma once

#include <string>

#include "ota/domain/event.hpp"

namespace ota::events {

/// `/otad/<name>`: the CloudEvents attribute `source` of this server's events.
std::string source_of(const std::string& name);

/// A CloudEvent 1.0 in JSON (docs/events.md), in one line. `source`: a URI reference.
std::string cloud_event(const Event& event, const std::string& source);
/// The same of an event that is in no log: its id is `id`, its type any text.
std::string cloud_event(const std::string& id, const std::string& type, WallTime time, const std::string& source);

}  // namespace ota::events
