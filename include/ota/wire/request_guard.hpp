// What is asked of every request, devices' and operators', before its route is looked at.
#pragma once

#include <optional>
#include <string_view>

#include "ota/base/result.hpp"
#include "ota/http/host_names.hpp"
#include "ota/http/message.hpp"

namespace ota::wire {

/// Whether following a link can do harm: `yes` for routes where a GET changes something.
enum class ReadsChange : bool { no, yes };

/// Nothing: go on. Else what to answer:
/// - Errc::misdirected where the request names a host that isn't one of `hosts` (a page whose name was made to point
///   here), Errc::bad_message where it names none (allowed from loopback) or something that is no host;
/// - Errc::forbidden where a browser says that a page of another site is behind it (`Origin`, `Sec-Fetch-Site`). Only
///   following a link from such a page to something that is only read is allowed;
/// - Errc::unsupported_type where the body has a Content-Encoding (RFC 9110, 8.4).
std::optional<Error> refuse_request(const http::Request& request, const http::HostNames& hosts, ReadsChange reads);

/// `application/json` or `…+json`, with or without parameters (RFC 6838, 4.2.8).
bool is_json_type(std::string_view content_type);

}  // namespace ota::wire
