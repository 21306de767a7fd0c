#include "ota/wire/errors.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace ota::wire {
namespace {

using nlohmann::json;

std::string header_of(const http::Reply& reply, std::string_view name) {
  for (const auto& header : reply.headers)
    if (header.name == name) return header.value;
  return {};
}

std::vector<Errc> every_code() {
  std::vector<Errc> codes;
  for (int i = 0; i <= static_cast<int>(Errc::too_many_new); ++i) codes.push_back(static_cast<Errc>(i));
  return codes;
}

TEST(Errors, EveryCodeIsOneOfTheProtocols) {
  const std::set<std::string_view> words{"bad_message",      "unknown_device", "not_authorized", "unknown_task",
                                         "no_such_firmware", "wrong_hardware", "downgrade",      "task_ended",
                                         "bad_chunk_range",  "overloaded",     "server_fault",   "image_too_large"};
  for (const auto code : every_code()) EXPECT_TRUE(words.contains(protocol_code(code))) << rest_code(code);
}

TEST(Errors, ProtocolsOwnCodesKeepTheirNames) {
  for (int i = 0; i <= static_cast<int>(Errc::server_fault); ++i)
    EXPECT_EQ(protocol_code(static_cast<Errc>(i)), rest_code(static_cast<Errc>(i)));
}

TEST(Errors, RestCodesAreDistinct) {
  std::set<std::string_view> seen;
  for (const auto code : every_code()) EXPECT_TRUE(seen.insert(rest_code(code)).second) << rest_code(code);
}

TEST(Errors, StatusesAreThoseOfTheInterface) {
  const std::vector<std::pair<Errc, unsigned>> wanted{{Errc::bad_message, 400},
                                                      {Errc::unknown_device, 404},
                                                      {Errc::not_authorized, 403},
                                                      {Errc::unknown_task, 404},
                                                      {Errc::no_such_firmware, 404},
                                                      {Errc::wrong_hardware, 409},
                                                      {Errc::downgrade, 409},
                                                      {Errc::task_ended, 409},
                                                      {Errc::overloaded, 503},
                                                      {Errc::server_fault, 503},
                                                      {Errc::malformed, 422},
                                                      {Errc::not_found, 404},
                                                      {Errc::method_not_allowed, 405},
                                                      {Errc::unauthenticated, 401},
                                                      {Errc::forbidden, 403},
                                                      {Errc::checksum_differs, 409},
                                                      {Errc::already_installed, 409},
                                                      {Errc::wrong_state, 409},
                                                      {Errc::in_use, 409},
                                                      {Errc::version_exists, 409},
                                                      {Errc::key_reused, 422},
                                                      {Errc::signature_invalid, 422},
                                                      {Errc::too_large, 413},
                                                      {Errc::disk_full, 507},
                                                      {Errc::image_damaged, 503},
                                                      {Errc::cancelled, 503}};
  for (const auto& [code, status] : wanted) EXPECT_EQ(http_status(code), status) << rest_code(code);
}

TEST(Errors, ProblemHasAllItsMembers) {
  const auto reply = problem_reply({Errc::malformed, "2 fields are wrong", {{"chunk_size", "too small"}}, 0});
  EXPECT_EQ(reply.status, 422u);
  EXPECT_EQ(reply.content_type, "application/problem+json");
  EXPECT_EQ(json::parse(reply.body), json::parse(R"({"type": "/problems/malformed", "title": "The input breaks a rule",
      "status": 422, "detail": "2 fields are wrong", "code": "malformed",
      "errors": [{"field": "chunk_size", "message": "too small"}]})"));
}

TEST(Errors, ProblemWithoutFieldsOrMessage) {
  const auto problem = json::parse(problem_reply(fail(Errc::in_use, "")).body);
  EXPECT_FALSE(problem.contains("errors"));
  EXPECT_EQ(problem["detail"], problem["title"]);
}

TEST(Errors, CallersStatusStandsInBodyAndLine) {
  const auto reply = problem_reply(fail(Errc::checksum_differs, "x"), 422);
  EXPECT_EQ(reply.status, 422u);
  EXPECT_EQ(json::parse(reply.body)["status"], 422);
}

TEST(Errors, HeadersThatBelong) {
  Error busy = fail(Errc::overloaded, "x");
  EXPECT_EQ(header_of(problem_reply(busy), "Retry-After"), "5");
  busy.retry_after_s = 17;
  EXPECT_EQ(header_of(problem_reply(busy), "Retry-After"), "17");
  EXPECT_EQ(header_of(problem_reply(fail(Errc::image_damaged, "x")), "Retry-After"), "");
  EXPECT_EQ(header_of(problem_reply(fail(Errc::unauthenticated, "x")), "WWW-Authenticate"), "Bearer");
  EXPECT_EQ(header_of(problem_reply(fail(Errc::forbidden, "x")), "WWW-Authenticate"), "");
  const auto method = method_not_allowed_reply("GET, HEAD");
  EXPECT_EQ(method.status, 405u);
  EXPECT_EQ(header_of(method, "Allow"), "GET, HEAD");
}

TEST(Errors, TextThatIsNoUtf8IsRepaired) {
  const auto reply = problem_reply(fail(Errc::not_found, "bad \xff byte"));
  EXPECT_EQ(json::parse(reply.body)["detail"], "bad \uFFFD byte");
}

}  // namespace
}  // namespace ota::wire
