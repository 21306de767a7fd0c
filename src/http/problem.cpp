#include "ota/http/problem.hpp"

#include <fmt/format.h>

#include "ota/base/json_writer.hpp"

namespace ota::http {

namespace {

std::string list_of(std::span<const FieldError> fields) {
  std::string list;
  for (const auto& [field, message] : fields) {
    JsonWriter json(field.size() + message.size() + 32);
    json.put("field", field);
    json.put("message", message);
    list += list.empty() ? '[' : ',';
    list += json.take();
  }
  return list + ']';
}

}  // namespace

Reply problem(const Problem& problem) {
  Reply reply;
  reply.status = problem.status;
  reply.content_type = "application/problem+json";
  reply.headers.push_back({"Cache-Control", "no-store"});
  JsonWriter body;
  body.put("type", fmt::format("/problems/{}", problem.code));
  body.put("title", problem.title);
  body.put("status", problem.status);
  body.put("detail", problem.detail);
  body.put("code", problem.code);
  if (!problem.fields.empty()) body.put_raw("errors", list_of(problem.fields));
  reply.body = body.take();
  return reply;
}

}  // namespace ota::http
