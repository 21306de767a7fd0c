// `GET /firmware/latest` and its manifest: for clients that only ask whether there is something newer
// (docs/simple-clients.md).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string_view>

#include "device/context.hpp"
#include "ota/http/message.hpp"

namespace ota::device {

/// Thread-safe.
class Latest {
 public:
  explicit Latest(Context& context) : context_(context) {}

  static bool owns(std::string_view path);
  /// 302 to a signed URL, 304, or 503 with Retry-After; a manifest is always 200. Errors are problem+json.
  boost::asio::awaitable<http::Reply> handle(http::Request& request);

 private:
  http::Reply refused(const http::Request& request, std::string_view device, const Error& error);

  Context& context_;
};

}  // namespace ota::device
