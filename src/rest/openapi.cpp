// GET /openapi.json and /openapi.yaml: the description of this interface (docs/openapi.yaml).
#include "rest/openapi.hpp"

#include "rest/handlers.hpp"

namespace ota::rest {
namespace {

http::Reply document_reply(const char* type, std::string_view text) {
  http::Reply reply;
  reply.content_type = type;
  reply.body = text;
  return reply;
}

}  // namespace

Answering get_openapi_json(Context&, Call&) { co_return document_reply("application/json", openapi_json()); }

Answering get_openapi_yaml(Context&, Call&) { co_return document_reply("application/yaml", openapi_yaml()); }

}  // namespace ota::rest
