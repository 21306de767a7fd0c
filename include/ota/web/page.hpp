// The operators' page: a document, a script and a style sheet that are built into the program (docs/page.md).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string_view>

#include "ota/http/host_names.hpp"
#include "ota/http/message.hpp"

namespace ota::web {

/// Answers `/` and `/web/…`, from memory and without a key: what it serves is the same for everybody and holds no data.
/// Everything is answered with headers that forbid scripts, styles and connections to elsewhere, frames around it and
/// guesses of types; the document is revalidated each time, what is below `/web/` is named by its content and may be
/// cached for ever. Built with OTAD_WEB=OFF, `/` says where the REST API is. Thread-safe.
class Page {
 public:
  explicit Page(std::shared_ptr<const http::HostNames> hosts) : hosts_(std::move(hosts)) {}

  /// Whether a path, not decoded, belongs to the page.
  static bool owns(std::string_view path) noexcept;

  /// 200, 304 (`If-None-Match`), 404, 405, or the refusal of a request that names another host.
  boost::asio::awaitable<http::Reply> handle(http::Request& request) const;

 private:
  std::shared_ptr<const http::HostNames> hosts_;
};

}  // namespace ota::web
