// TLS settings of a listener.
#pragma once

#include <memory>

#include "ota/base/result.hpp"
#include "ota/http/server.hpp"

namespace boost::asio::ssl {
class context;
}

namespace ota::http {

/// Reads certificate, key and client CA; TLS 1.2 and 1.3 with forward secrecy only. The error names the file and
/// the cause.
Result<std::shared_ptr<boost::asio::ssl::context>> make_tls_context(const TlsOptions& options);

}  // namespace ota::http
