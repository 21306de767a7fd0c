// The one place that maps Errc to protocol.md's `error` codes, to HTTP statuses and to problem+json (RFC 9457).
#pragma once

#include <string>
#include <string_view>

#include "ota/base/result.hpp"
#include "ota/http/message.hpp"

namespace ota::wire {

/// The `code` of an `error` message to a device: one of protocol.md's words. Internal trouble is `server_fault`.
std::string_view protocol_code(Errc code);

/// The stable `code` of a problem+json: the Errc's own name.
std::string_view rest_code(Errc code);

/// The usual status. A caller that knows better overrides it (410 for a download of an ended task, 422 for an upload
/// whose checksum differs).
unsigned http_status(Errc code);

/// Seconds after which a refused caller may come again; 0 where coming again won't help. At least 1 for what passes
/// by itself (overloaded, cancelled).
int retry_after_s(const Error& error);

/// Errc::overloaded with the seconds after which the refused caller may come again.
Error overloaded(std::string message, int retry_after_s);

/// The error as `application/problem+json`: type `/problems/<code>`, title, status, detail, code, and `errors` where
/// the error names fields. Adds `Retry-After` and `WWW-Authenticate: Bearer` where they belong. Text that is not UTF-8
/// is repaired. Errors without a message get the title as detail.
http::Reply problem_reply(const Error& error);
http::Reply problem_reply(const Error& error, unsigned status);

/// 405 with its `Allow` header, e.g. `GET, HEAD` (RFC 9110, 15.5.6).
http::Reply method_not_allowed_reply(std::string_view allow);

}  // namespace ota::wire
