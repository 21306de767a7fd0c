#include "ota/wire/reply.hpp"

#include <utility>

namespace ota::wire {

http::Reply json_reply(unsigned status, std::string body) {
  http::Reply reply;
  reply.status = status;
  reply.content_type = "application/json";
  reply.headers.push_back({"Cache-Control", "no-store"});
  reply.body = std::move(body);
  return reply;
}

http::Reply no_content_reply() {
  http::Reply reply;
  reply.status = 204;
  return reply;
}

}  // namespace ota::wire
