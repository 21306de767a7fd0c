// Who calls: tokens, client certificates, and what a trusted proxy says of them (docs/hawkbit.md, Identity).
#pragma once

#include <string>
#include <string_view>

#include "ota/base/result.hpp"
#include "ota/ddi/api.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/messages.hpp"
#include "ota/http/message.hpp"

namespace ota::ddi {

/// Whether the request comes from an address in `ddi.trusted_proxies`.
bool from_trusted_proxy(const http::Request& request, const Options& options);

/// The header that only a trusted proxy may send, of a request from elsewhere; empty: there is none that would matter.
std::string_view ignored_header(const http::Request& request, const Options& options);

/// `TargetToken` (and `Bearer`) is the device's own token, `GatewayToken` that of the settings; scheme words in any
/// case. Errc::unauthenticated: a wrong gateway token, or another scheme.
Result<Credentials> credentials(const http::Request& request, const DeviceId& device, const Options& options);

/// `scheme://host` of links for this caller: the public URL, else what a trusted proxy says that was called, else what
/// was called.
std::string base_url(const http::Request& request, const Options& options);

}  // namespace ota::ddi
