// Maps Errc to the `error` codes of docs/device-protocol.md, to HTTP statuses and to problem+json (RFC 9457).
#pragma once

#include <string>
#include <string_view>

#include "ota/base/result.hpp"
#include "ota/http/message.hpp"

namespace ota::wire {

/// The `code` of an `error` message to a device (docs/device-protocol.md). Internal errors are `server_fault`.
std::string_view protocol_code(Errc code);

/// The stable `code` of a problem+json: the name of the Errc.
std::string_view rest_code(Errc code);

/// The default HTTP status. Some callers override it (410 for a download of an ended task, 422 for an upload with
/// another checksum).
unsigned http_status(Errc code);

/// Seconds after which the caller may retry; 0 if a retry won't help. At least 1 for temporary errors (overloaded,
/// cancelled).
int retry_after_s(const Error& error);

/// Errc::overloaded with the seconds after which the caller may retry.
Error overloaded(std::string message, int retry_after_s);

/// The error as `application/problem+json`: type `/problems/<code>`, title, status, detail, code, and `errors` if
/// the error names fields. Adds `Retry-After` and `WWW-Authenticate: Bearer` where they apply. Invalid UTF-8 is
/// replaced. Errors without a message get the title as detail.
http::Reply problem_reply(const Error& error);
http::Reply problem_reply(const Error& error, unsigned status);

/// Adds `Retry-After`, `WWW-Authenticate` and `Accept-Encoding` where the reply's status has them.
void add_error_headers(http::Reply& reply, const Error& error);

/// Errc::method_not_allowed that names the methods, e.g. `GET, HEAD`.
Error method_not_allowed(std::string_view allow);

/// 405 with its `Allow` header, e.g. `GET, HEAD` (RFC 9110, 15.5.6).
http::Reply method_not_allowed_reply(std::string_view allow);

}  // namespace ota::wire
