// Checks of every HTTP request, of devices and operators, before it is routed.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ota/base/result.hpp"
#include "ota/http/host_names.hpp"
#include "ota/http/message.hpp"

namespace ota::wire {

/// Whether a GET of the route changes something, so that following a link could do harm.
enum class ReadsChange : bool { no, yes };

/// Nothing: the request may be routed. Otherwise the error:
/// - Errc::misdirected: its host is not one of `hosts` (DNS rebinding); Errc::bad_message: it has no host (permitted
///   from loopback only) or an invalid one;
/// - Errc::forbidden: a cross-origin request of a browser (`Origin`, `Sec-Fetch-Site`). Only following a link to a
///   route that changes nothing is permitted, and pages of `origins`, which are compared as a browser writes them;
/// - Errc::unsupported_type: the body has a Content-Encoding (RFC 9110, 8.4).
std::optional<Error> refuse_request(const http::Request& request, const http::HostNames& hosts, ReadsChange reads,
                                    std::span<const std::string> origins = {});

/// `application/json` or `…+json`, with or without parameters (RFC 6838, 4.2.8).
bool is_json_type(std::string_view content_type);

}  // namespace ota::wire
