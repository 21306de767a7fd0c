// The description of the REST interface (docs/openapi.yaml) against the table of routes and the error codes.
#include "rest/openapi.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <tuple>

#include "ota/wire/errors.hpp"
#include "rest/routes.hpp"
#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using Document = nlohmann::json;
using Described = std::tuple<std::string, std::string, std::string>;  // method, pattern, role

const Document& document() {
  static const auto parsed = Document::parse(openapi_json());
  return parsed;
}

std::string role_of(Needs needs) {
  switch (needs) {
    case Needs::nothing: return "none";
    case Needs::viewer: return "viewer";
    case Needs::operator_: return "operator";
    case Needs::admin: return "admin";
  }
  return "?";
}

/// `/tasks/{id}` as `/tasks/{}`.
std::string pattern_of(std::string path) {
  for (auto open = path.find('{'); open != std::string::npos; open = path.find('{', open + 1))
    path.erase(open + 1, path.find('}', open) - open - 1);
  return path;
}

bool is_method(const std::string& key) { return key != "parameters" && key != "summary" && key != "description"; }

std::string role_of(const Document& operation) {
  const auto role = operation.at("x-role").get<std::string>();
  EXPECT_EQ(operation.at("security").empty(), role == "none");
  return role;
}

TEST(OpenApi, HasEachRouteWithItsRoleAndNoOthers) {
  std::set<Described> routed;
  for (const auto& route : routes())
    routed.emplace(http::to_string(route.method), route.pattern, role_of(route.needs));
  std::set<Described> described;
  for (const auto& [path, item] : document().at("paths").items()) {
    for (const auto& [key, operation] : item.items()) {
      if (!is_method(key)) continue;
      std::string method = key;
      std::transform(method.begin(), method.end(), method.begin(), [](unsigned char c) { return std::toupper(c); });
      described.emplace(method, pattern_of(path), role_of(operation));
    }
  }
  EXPECT_EQ(described, routed);
}

TEST(OpenApi, NamesEachErrorCode) {
  // The codes of HTTP itself (src/http/session.cpp).
  std::set<std::string> codes{"bad_request",      "target_too_long", "expectation_failed",
                              "header_too_large", "not_implemented", "version_not_supported"};
  for (int i = 0; i <= static_cast<int>(Errc::same_person); ++i)
    codes.emplace(wire::rest_code(static_cast<Errc>(i)));
  EXPECT_EQ(document().at("/components/schemas/Problem/properties/code/enum"_json_pointer).get<std::set<std::string>>(),
            codes);
}

TEST(OpenApi, HasTheStatusOfEachErrorCode) {
  const auto text = document().at("/info/description"_json_pointer).get<std::string>();
  for (int i = 0; i <= static_cast<int>(Errc::same_person); ++i) {
    const auto code = static_cast<Errc>(i);
    const auto row = fmt::format("| `{}` | {} |", wire::rest_code(code), wire::http_status(code));
    EXPECT_THAT(text, testing::HasSubstr(row));
  }
}

TEST(OpenApi, IsServedWithoutAKey) {
  Options options;
  options.auth_required = true;
  Bench bench(options);
  const auto seen = bench.get("/openapi.json");
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(seen.reply.content_type, "application/json");
  EXPECT_EQ(seen.json, document());
  EXPECT_EQ(seen.json["openapi"], "3.1.0");
  EXPECT_EQ(seen.json["info"]["version"], OTAD_VERSION);
  const auto yaml = bench.get("/openapi.yaml");
  EXPECT_EQ(yaml.reply.status, 200u);
  EXPECT_EQ(yaml.reply.content_type, "application/yaml");
  EXPECT_THAT(yaml.reply.body, testing::HasSubstr("openapi: 3.1.0\n"));
}

}  // namespace
}  // namespace ota::rest::test
