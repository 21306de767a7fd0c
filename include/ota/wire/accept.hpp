// Content negotiation (RFC 9110, 12.5).
#pragma once

#include <string_view>

namespace ota::wire {

/// Whether the client prefers CSV to JSON (RFC 9110, 12.5.1).
bool prefers_csv(std::string_view accept);
/// Whether it asks for server-sent events.
bool accepts_event_stream(std::string_view accept);
/// Whether it accepts gzip (RFC 9110, 12.5.3).
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace ota::wire
