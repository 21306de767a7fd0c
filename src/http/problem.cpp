#include "ota/http/problem.hpp"

#include <fmt/format.h>

#include "ota/base/text.hpp"

namespace ota::http {

Reply problem(const Problem& problem) {
  Reply reply;
  reply.status = problem.status;
  reply.content_type = "application/problem+json";
  reply.headers.push_back({"Cache-Control", "no-store"});
  auto& body = reply.body;
  body = fmt::format(R"({{"type":"/problems/{}","title":)", problem.code);
  append_json_string(body, problem.title);
  body += fmt::format(R"(,"status":{},"detail":)", problem.status);
  append_json_string(body, problem.detail);
  body += fmt::format(R"(,"code":"{}")", problem.code);
  const char* before = R"(,"errors":[)";
  for (const auto& [field, message] : problem.fields) {
    body += before;
    body += R"({"field":)";
    append_json_string(body, field);
    body += R"(,"message":)";
    append_json_string(body, message);
    body += '}';
    before = ",";
  }
  body += problem.fields.empty() ? "}" : "]}";
  return reply;
}

}  // namespace ota::http
