#include "ota/wire/request_guard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "ota/base/text.hpp"
#include "ota/base/url.hpp"

namespace ota::wire {
namespace {

std::string quoted(std::string_view text) {
  constexpr std::size_t kMost = 100;
  std::string out = "\"";
  append_printable(out, text.substr(0, kMost));
  return out + (text.size() > kMost ? "...\"" : "\"");
}

bool from_loopback(std::string_view remote) { return remote.starts_with("127.") || remote.starts_with("[::1]"); }

/// The host of the thread's last request, already checked. Thousands of requests for chunks name the same host.
struct KnownHost {
  std::uint64_t hosts = 0;  ///< HostNames::number(); 0: none
  std::string authority;
};

std::optional<Error> refuse_host(const http::Request& request, const http::HostNames& hosts) {
  thread_local KnownHost known;
  const auto authority = request.authority();
  if (known.hosts == hosts.number() && known.authority == authority) return std::nullopt;
  // Browsers always send a Host. Health checks by HTTP/1.0 from this machine often don't.
  if (authority.empty()) {
    if (from_loopback(request.remote())) return std::nullopt;
    return fail(Errc::bad_message, "the request names no host: a Host header is needed");
  }
  const auto parts = parse_authority(authority);
  if (!parts)
    return fail(Errc::bad_message,
                fmt::format("{} is no host name or address with or without a port", quoted(authority)));
  if (hosts.has(parts->host)) {
    known = {hosts.number(), std::string(authority)};
    return std::nullopt;
  }
  return fail(Errc::misdirected,
              fmt::format("{} is not a name of this server; to let clients use that name, add it to http.hosts in the "
                          "settings",
                          quoted(parts->host)));
}

/// Whether `origin` is this server under one of its names. Another port of this machine is another origin, unless the
/// settings list its name (a proxy in front of this server).
bool own_origin(std::string_view origin, const http::Request& request, const http::HostNames& hosts) {
  const auto page = parse_url(origin);
  if (!page || !page->target.empty()) return false;  // `null` too
  if (hosts.configured(page->authority.host)) return true;
  const auto target = parse_authority(request.authority());
  return target && page->authority.port == target->port && hosts.has(page->authority.host);
}

bool foreign_page(const http::Request& request, const http::HostNames& hosts, ReadsChange reads,
                  std::span<const std::string> origins) {
  const auto origin = request.header("Origin");
  if (!origin.empty() && std::ranges::find(origins, origin) != origins.end()) return false;
  if (!origin.empty()) return !own_origin(origin, request, hosts);
  const auto site = request.header("Sec-Fetch-Site");
  if (site.empty() || site == "same-origin" || site == "none") return false;
  const bool read_only = http::is_safe(request.method()) && reads == ReadsChange::no;
  // The user followed a link: the response is shown to the user and can't be read by a page.
  if (read_only && request.header("Sec-Fetch-Mode") == "navigate" && request.header("Sec-Fetch-Dest") == "document")
    return false;
  return site == "cross-site" || !read_only;
}

/// Which page sent the request, as far as it says so, and what helps if it is this server's own.
std::string about_page(std::string_view origin) {
  if (origin.empty()) return {};
  const auto page = parse_url(origin);
  if (!page)  // `null`: a local file, a sandboxed frame
    return fmt::format(": this one is from a page without a host (Origin: {})", quoted(origin));
  return fmt::format(": this one is from a page of {}; if {} is a name of this server, add it to http.hosts in the "
                     "settings",
                     quoted(origin), quoted(page->authority.host));
}

}  // namespace

std::optional<Error> refuse_request(const http::Request& request, const http::HostNames& hosts, ReadsChange reads,
                                    std::span<const std::string> origins) {
  if (auto error = refuse_host(request, hosts)) return error;
  if (foreign_page(request, hosts, reads, origins)) {
    return fail(Errc::forbidden, "cross-origin requests are refused" + about_page(request.header("Origin")));
  }
  const auto coding = request.header("Content-Encoding");
  if (coding.empty() || iequals(coding, "identity")) return std::nullopt;
  return fail(Errc::unsupported_type,
              fmt::format("the body must be sent as it is, without Content-Encoding: {}", quoted(coding)));
}

bool is_json_type(std::string_view content_type) {
  const auto type = trim(content_type.substr(0, content_type.find(';')));
  constexpr std::string_view kSuffix = "+json";
  if (iequals(type, "application/json")) return true;
  return type.size() > kSuffix.size() && type.find('/') != std::string_view::npos &&
         iequals(type.substr(type.size() - kSuffix.size()), kSuffix);
}

}  // namespace ota::wire
