#include "ota/web/page.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "ota/base/text.hpp"
#include "ota/wire/accept.hpp"
#include "ota/wire/errors.hpp"
#include "ota/wire/request_guard.hpp"
#include "web/assets.hpp"

namespace ota::web {
namespace {

constexpr std::string_view kFolder = "/web/";
constexpr std::string_view kMethods = "GET, HEAD";

/// Everything from this server alone. Forms are handled by the script; nothing may frame the page.
constexpr const char* kPolicy =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

constexpr const char* kNotBuilt =
    "This otad was built without its page (OTAD_WEB=OFF).\n"
    "The REST API is on this address: /summary, /devices, /rollouts, /firmware; /openapi.json describes it.\n";

std::string inflated(std::string_view gzip) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;
  if (inflateInit2(&stream, kGzip) != Z_OK) throw std::runtime_error("zlib has no memory");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(gzip.data()));
  stream.avail_in = static_cast<uInt>(gzip.size());
  std::string out;
  int result = Z_OK;
  while (result == Z_OK) {
    constexpr std::size_t kStep = 64 * 1024;
    out.resize(out.size() + kStep);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + out.size() - kStep);
    stream.avail_out = kStep;
    result = inflate(&stream, Z_NO_FLUSH);
  }
  out.resize(stream.total_out);
  inflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::runtime_error("an asset of the page is corrupted");
  return out;
}

/// If-None-Match (RFC 9110, 13.1.2): a list of validators, compared weakly, or `*`.
bool names(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    auto one = trim(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (one == "*") return true;
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == etag) return true;
  }
  return false;
}

void add_security(http::Reply& reply) {
  reply.headers.push_back({"Content-Security-Policy", kPolicy});
  reply.headers.push_back({"X-Content-Type-Options", "nosniff"});
  reply.headers.push_back({"X-Frame-Options", "DENY"});  // for browsers without frame-ancestors
  reply.headers.push_back({"Referrer-Policy", "no-referrer"});
  reply.headers.push_back({"Cross-Origin-Opener-Policy", "same-origin"});
  reply.headers.push_back({"Cross-Origin-Resource-Policy", "same-origin"});
}

http::Reply not_built() {
  http::Reply reply;
  reply.content_type = "text/plain; charset=utf-8";
  reply.headers.push_back({"Cache-Control", "no-store"});
  reply.body = kNotBuilt;
  return reply;
}

http::Reply serve(const http::Request& request, const Asset& asset) {
  const bool gzip = wire::accepts_gzip(request.header("Accept-Encoding"));
  // Each encoding is a representation of its own (RFC 9110, 8.8.3.3).
  const auto etag = fmt::format("\"{}{}\"", asset.digest, gzip ? "-gz" : "");
  http::Reply reply;
  reply.headers.push_back({"ETag", etag});
  reply.headers.push_back({"Vary", "Accept-Encoding"});
  reply.headers.push_back(
      {"Cache-Control", asset.path == "/" ? "no-cache" : "public, max-age=31536000, immutable"});
  if (names(request.header("If-None-Match"), etag)) {
    reply.status = 304;
    return reply;
  }
  reply.content_type = asset.content_type;
  if (gzip) reply.headers.push_back({"Content-Encoding", "gzip"});
  reply.body = gzip ? std::string(asset.gzip) : inflated(asset.gzip);
  return reply;
}

http::Reply answer(const http::Request& request) {
  if (!http::is_safe(request.method())) return wire::method_not_allowed_reply(kMethods);
  if (assets().empty() && request.path() == "/") return not_built();
  const auto found = std::find_if(assets().begin(), assets().end(),
                                  [&](const Asset& asset) { return asset.path == request.path(); });
  if (found != assets().end()) return serve(request, *found);
  return wire::problem_reply(
      fail(Errc::not_found, "the page has no such file; after an update of otad load / again"));
}

}  // namespace

bool Page::owns(std::string_view path) noexcept { return path == "/" || path.starts_with(kFolder); }

boost::asio::awaitable<http::Reply> Page::handle(http::Request& request) const {
  const auto refused = wire::refuse_request(request, *hosts_, wire::ReadsChange::no);
  auto reply = refused ? wire::problem_reply(*refused) : answer(request);
  add_security(reply);
  co_return reply;
}

}  // namespace ota::web
