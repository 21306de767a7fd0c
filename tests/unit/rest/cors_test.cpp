// Pages of other origins: http.cors_origins.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using http::Method;
using Headers = std::map<std::string, std::string>;

constexpr auto kDashboard = "https://dashboard.example";

Options for_dashboard() {
  Options options;
  options.auth_required = true;
  options.cors_origins = {kDashboard, "http://localhost:3000"};
  return options;
}

Headers from_page(const std::string& origin, const std::string& asks = {}) {
  Headers headers{{"Origin", origin}, {"Sec-Fetch-Site", "cross-site"}};
  if (!asks.empty()) headers["Access-Control-Request-Method"] = asks;
  return headers;
}

TEST(Cors, APreflightNeedsNoKey) {
  Bench bench(for_dashboard());
  for (const auto* path : {"/devices", "/rollouts/RO_20261126_000001/pause", "/nowhere"}) {
    const auto seen = bench.call(Method::other, path, "", from_page(kDashboard, "POST"));
    EXPECT_EQ(seen.reply.status, 204u) << path;
    EXPECT_EQ(seen.header("Access-Control-Allow-Origin"), kDashboard);
    EXPECT_EQ(seen.header("Access-Control-Allow-Methods"), "GET, HEAD, POST, PUT, PATCH, DELETE");
    EXPECT_THAT(seen.header("Access-Control-Allow-Headers"), testing::HasSubstr("Authorization"));
    EXPECT_EQ(seen.header("Vary"), "Origin");
    EXPECT_EQ(seen.header("Access-Control-Allow-Credentials"), "");
  }
}

TEST(Cors, ACallNeedsItsKeyAndCanBeRead) {
  Bench bench(for_dashboard());
  auto headers = from_page(kDashboard);
  const auto without = bench.call(Method::get, "/devices", "", headers);
  EXPECT_EQ(without.reply.status, 401u);
  EXPECT_EQ(without.header("Access-Control-Allow-Origin"), kDashboard) << "the page may read why";
  headers["Authorization"] = "Bearer " + bench.add_key("vera", Role::viewer);
  const auto with = bench.call(Method::get, "/devices", "", headers);
  EXPECT_EQ(with.reply.status, 200u);
  EXPECT_EQ(with.header("Access-Control-Allow-Origin"), kDashboard);
  EXPECT_EQ(with.header("Access-Control-Expose-Headers"), "Link, Location, Retry-After");
}

TEST(Cors, OtherOriginsAreRefusedExactly) {
  Bench bench(for_dashboard());
  for (const auto* origin : {"https://dashboard.example:8443", "http://dashboard.example", "https://dashboard.example.evil",
                             "https://evil.example", "null", "https://DASHBOARD.example", "*"}) {
    for (const auto* asks : {"", "GET"}) {
      const auto seen = bench.call(*asks ? Method::other : Method::get, "/devices", "", from_page(origin, asks));
      EXPECT_EQ(seen.reply.status, 403u) << origin;
      EXPECT_EQ(seen.code(), "forbidden");
      EXPECT_EQ(seen.header("Access-Control-Allow-Origin"), "");
      EXPECT_EQ(seen.header("Vary"), "Origin");
    }
  }
}

TEST(Cors, WithoutTheSettingNothingChanges) {
  Bench bench;
  EXPECT_EQ(bench.call(Method::other, "/devices", "", from_page(kDashboard, "GET")).reply.status, 403u);
  const auto seen = bench.get("/devices");
  EXPECT_EQ(seen.header("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(bench.call(Method::other, "/devices").reply.status, 405u);
}

}  // namespace
}  // namespace ota::rest::test
