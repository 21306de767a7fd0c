// TLS settings of a listener.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "ota/base/result.hpp"
#include "ota/http/server.hpp"

namespace boost::asio::ssl {
class context;
}

namespace ota::http {

/// Reads certificate, key and client CA; TLS 1.2 and 1.3 with forward secrecy only. The error names the file and
/// the cause.
Result<std::shared_ptr<boost::asio::ssl::context>> make_tls_context(const TlsOptions& options);

/// When its certificate ends, in seconds since 1970.
std::optional<std::int64_t> certificate_end(boost::asio::ssl::context& context);

}  // namespace ota::http
