#include "api/operator_context.hpp"

#include <algorithm>

#include "api/operator_query.hpp"

namespace ota::api {

http::Reply json_reply(unsigned status, std::string body) {
  http::Reply reply;
  reply.status = status;
  reply.content_type = "application/json";
  reply.headers.push_back({"Cache-Control", "no-store"});
  reply.body = std::move(body);
  return reply;
}

Error field_error(std::string field, std::string message) {
  FieldErrors errors;
  errors.add(field, std::move(message));
  return errors.to_error(Errc::malformed);
}

Result<void> refuse_query(const Call& call) {
  auto query = QueryFields::parse(call.request.query(), {});
  if (!query) return query.error();
  return query->check();
}

Result<void> require_json(const Call& call) {
  // Browsers name the page they come from, and may send a plain form anywhere without asking; curl may do as it likes.
  if (call.request.header("Origin").empty()) return {};
  auto type = call.request.header("Content-Type");
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  const std::string_view wanted = "application/json";
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
  if (std::equal(type.begin(), type.end(), wanted.begin(), wanted.end(), same)) return {};
  return field_error("Content-Type", "must be application/json");
}

}  // namespace ota::api
