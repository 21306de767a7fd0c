#include "rest/cors.hpp"

#include <algorithm>

#include "ota/wire/reply.hpp"

namespace ota::rest {

// OPTIONS is not served, and no other method has this header.
bool is_preflight(const http::Request& request) {
  return request.method() == http::Method::other && !request.header("Origin").empty() &&
         !request.header("Access-Control-Request-Method").empty();
}

http::Reply preflight_reply() {
  auto reply = wire::no_content_reply();
  reply.headers.push_back({"Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"});
  reply.headers.push_back(
      {"Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Idempotency-Key, Last-Event-ID"});
  reply.headers.push_back({"Access-Control-Max-Age", "600"});
  return reply;
}

void add_cors(http::Reply& reply, const http::Request& request, const std::vector<std::string>& origins) {
  if (origins.empty()) return;
  reply.headers.push_back({"Vary", "Origin"});
  const auto found = std::ranges::find(origins, request.header("Origin"));
  if (found == origins.end()) return;
  reply.headers.push_back({"Access-Control-Allow-Origin", *found});
  reply.headers.push_back({"Access-Control-Expose-Headers", "Link, Location, Retry-After"});
}

}  // namespace ota::rest
