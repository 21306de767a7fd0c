#include "rest/context.hpp"

#include "ota/wire/request_guard.hpp"
#include "rest/query.hpp"

namespace ota::rest {

void add_location(const Context& context, http::Reply& reply, std::string_view path) {
  reply.headers.push_back({"Location", context.options.public_path + std::string(path)});
}

Answering answer_read(Context& context, std::function<Result<std::string>(storage::ReadView&)> job) {
  auto text = co_await read<std::string>(context.readers, std::move(job));
  if (!text) co_return text.error();
  co_return wire::json_reply(200, std::move(*text));
}

Error field_error(std::string field, std::string message, Errc code) {
  wire::FieldErrors errors;
  errors.add(field, std::move(message));
  return errors.to_error(code);
}

Result<void> refuse_query(const Call& call) {
  auto query = QueryFields::parse(call.request.query(), {});
  if (!query) return query.error();
  return query->check();
}

Result<void> require_json(const Call& call) {
  const auto type = call.request.header("Content-Type");
  if (wire::is_json_type(type)) return {};
  // `curl -d` sends the type of a form. A browser that sends a form adds Origin; all browsers do so since 2020.
  const bool from_page = !call.request.header("Origin").empty() || !call.request.header("Sec-Fetch-Site").empty();
  if (!from_page && (type.empty() || type == "application/x-www-form-urlencoded")) return {};
  return field_error("Content-Type", "must be application/json", Errc::unsupported_type);
}

}  // namespace ota::rest
