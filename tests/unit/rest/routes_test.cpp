// Who may call what: every route with no key, a wrong one, and each role.
#include "rest/routes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "rest/api_keys.hpp"
#include "rest/auth_throttle.hpp"
#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using http::Method;
using testing::HasSubstr;
using testing::Not;

std::string path_of(const Route& route) {
  std::string path(route.pattern);
  while (path.find("{}") != std::string::npos) path.replace(path.find("{}"), 2, "nothing-there");
  return path;
}

Options with_auth() {
  Options options;
  options.auth_required = true;
  return options;
}

TEST(Routes, EachIsFoundByItsOwnPath) {
  for (const auto& route : routes()) {
    const auto match = match_route(route.method, path_of(route));
    ASSERT_EQ(match.route, &route) << route.pattern;
    const auto holes = std::count(route.pattern.begin(), route.pattern.end(), '{');
    EXPECT_EQ(match.arguments.size(), static_cast<std::size_t>(holes));
  }
}

TEST(Routes, NoTwoAreTheSame) {
  std::set<std::pair<Method, std::string_view>> seen;
  for (const auto& route : routes()) EXPECT_TRUE(seen.emplace(route.method, route.pattern).second) << route.pattern;
}

TEST(Routes, EverySettledCallIsThere) {
  const std::vector<std::pair<Method, std::string>> calls = {
      {Method::post, "/firmware"},        {Method::get, "/firmware"},          {Method::get, "/firmware/1"},
      {Method::delete_, "/firmware/1"},   {Method::post, "/firmware/upgrade"}, {Method::get, "/tasks"},
      {Method::get, "/tasks/T"},          {Method::get, "/tasks/T/log"},       {Method::post, "/tasks/T/cancel"},
      {Method::post, "/tasks/T/retry"},   {Method::patch, "/tasks/T"},         {Method::get, "/devices"},
      {Method::get, "/devices/d"},        {Method::put, "/devices/d"},         {Method::delete_, "/devices/d"},
      {Method::post, "/devices/d/token"}, {Method::get, "/healthz"},           {Method::get, "/readyz"},
      {Method::get, "/metrics"},          {Method::get, "/firmware/orphans"},  {Method::patch, "/devices/d"},
      {Method::get, "/channels"},         {Method::get, "/channels/c"},        {Method::put, "/channels/c"},
      {Method::delete_, "/channels/c"},   {Method::delete_, "/channels/c/targets/h"},
      {Method::post, "/rollouts"},        {Method::get, "/rollouts"},          {Method::get, "/rollouts/R"},
      {Method::patch, "/rollouts/R"},     {Method::post, "/rollouts/R/pause"}, {Method::post, "/rollouts/R/resume"},
      {Method::post, "/rollouts/R/advance"}, {Method::post, "/rollouts/R/finish"}, {Method::post, "/rollouts/R/cancel"},
      {Method::post, "/rollouts/R/approve"}, {Method::post, "/rollouts/R/deny"}, {Method::post, "/rollouts/R/retry"},
      {Method::post, "/rollouts/R/rollback"}, {Method::get, "/rollouts/R/devices"}, {Method::get, "/rollouts/R/history"},
      {Method::get, "/rollouts/R/report"}, {Method::patch, "/firmware/1"},     {Method::get, "/devices/d/explain"},
      {Method::post, "/devices/move"},    {Method::get, "/fleet"},
      {Method::get, "/me"}};
  for (const auto& [method, path] : calls) EXPECT_NE(match_route(method, path).route, nullptr) << path;
}

TEST(Routes, HeadIsTakenWhereGetIs) {
  EXPECT_EQ(match_route(Method::head, "/tasks").route, match_route(Method::get, "/tasks").route);
  EXPECT_EQ(match_route(Method::head, "/firmware/upgrade").route, nullptr);
}

TEST(Routes, AnUnknownMethodNamesTheKnown) {
  Bench bench;
  const auto seen = bench.call(Method::put, "/tasks");
  EXPECT_EQ(seen.reply.status, 405u);
  EXPECT_EQ(seen.code(), "method_not_allowed");
  EXPECT_EQ(seen.header("Allow"), "GET, HEAD");
  EXPECT_EQ(bench.call(Method::put, "/tasks/x").header("Allow"), "GET, HEAD, PATCH");
  EXPECT_EQ(bench.call(Method::get, "/firmware/upgrade").header("Allow"), "POST");
  EXPECT_EQ(bench.call(Method::other, "/devices/x").header("Allow"), "GET, HEAD, PUT, PATCH, DELETE");
}

TEST(Routes, UnknownPathsAreNotFound) {
  Bench bench;
  for (const auto* path : {"/", "/nowhere", "/tasks/", "//tasks", "/tasks/a/b/c", "/tasks/..", "/tasks/%2e%2e/log",
                           "/%", "/Tasks", "/firmware/1/2", ""}) {
    const auto seen = bench.get(path);
    EXPECT_EQ(seen.reply.status, 404u) << path;
    EXPECT_EQ(seen.reply.content_type, "application/problem+json") << path;
  }
}

TEST(Routes, AnUnknownPathSaysWhatWasMeant) {
  Bench bench;
  const auto detail = [&](const char* path) { return bench.get(path).json["detail"].get<std::string>(); };
  EXPECT_THAT(detail("/taks"), HasSubstr("did you mean /tasks?"));
  EXPECT_THAT(detail("/tasks/"), HasSubstr("did you mean /tasks?"));
  EXPECT_THAT(detail("/Devices/gw-1"), HasSubstr("did you mean /devices/gw-1?"));
  EXPECT_THAT(detail("/task/OTA_20261122_000001/log"), HasSubstr("did you mean /tasks/OTA_20261122_000001/log?"));
  EXPECT_THAT(detail("/healtz"), HasSubstr("did you mean /healthz?"));
  for (const auto* path : {"/", "/admin.php", "/x/y/z"}) {
    EXPECT_THAT(detail(path), HasSubstr("/firmware, /tasks, /devices")) << path;
    EXPECT_THAT(detail(path), Not(HasSubstr("did you mean"))) << path;
  }
  for (const auto& route : routes())
    EXPECT_THAT(detail("/"), HasSubstr(std::string(route.pattern.substr(0, route.pattern.find('/', 1)))));
}

TEST(Routes, EachRoleReachesWhatItMayAndNoMore) {
  Bench bench(with_auth());
  const std::map<Role, std::string> keys = {
      {Role::viewer, bench.add_key("vera", Role::viewer)},
      {Role::operator_, bench.add_key("otto", Role::operator_)},
      {Role::admin, bench.add_key("ada", Role::admin)}};
  for (const auto& route : routes()) {
    const auto path = path_of(route);
    SCOPED_TRACE(std::string(http::to_string(route.method)) + " " + path);
    for (const auto& [role, key] : keys) {
      const auto seen = bench.call(route.method, path, "", {{"Authorization", "Bearer " + key}});
      if (may(route.needs, role)) {
        EXPECT_NE(seen.reply.status, 401u);
        EXPECT_NE(seen.reply.status, 403u);
      } else {
        EXPECT_EQ(seen.reply.status, 403u);
        EXPECT_EQ(seen.code(), "forbidden");
      }
    }
    const bool open = route.needs == Needs::nothing;
    for (const auto* header : {"", "Bearer wrong", "Bearer ", "Basic b3RhZF9hZGE=", "Bearer otad_ad", "otad_ada"}) {
      bench.clock.advance(Millis{2'000});  // as slowly as wrong keys are answered
      const auto seen = bench.call(route.method, path, "", {{"Authorization", header}});
      EXPECT_EQ(seen.reply.status == 401u, !open) << header;
      if (!open) {
        EXPECT_EQ(seen.code(), "unauthenticated");
        EXPECT_EQ(seen.header("WWW-Authenticate"), "Bearer");
      }
    }
  }
}

TEST(Routes, RolesAreAsSettled) {
  const auto needs = [](Method method, const char* path) { return match_route(method, path).route->needs; };
  for (const auto& route : routes()) {
    if (route.method == Method::get) continue;
    EXPECT_GE(route.needs, Needs::operator_) << route.pattern;
  }
  EXPECT_EQ(needs(Method::post, "/firmware"), Needs::operator_);
  EXPECT_EQ(needs(Method::delete_, "/firmware/1"), Needs::operator_);
  EXPECT_EQ(needs(Method::post, "/firmware/upgrade"), Needs::operator_);
  EXPECT_EQ(needs(Method::put, "/devices/d"), Needs::admin);
  EXPECT_EQ(needs(Method::delete_, "/devices/d"), Needs::admin);
  EXPECT_EQ(needs(Method::post, "/devices/d/token"), Needs::admin);
  EXPECT_EQ(needs(Method::put, "/channels/c"), Needs::admin);
  EXPECT_EQ(needs(Method::delete_, "/channels/c"), Needs::admin);
  EXPECT_EQ(needs(Method::delete_, "/channels/c/targets/h"), Needs::admin);
  EXPECT_EQ(needs(Method::post, "/rollouts"), Needs::operator_);
  EXPECT_EQ(needs(Method::patch, "/firmware/1"), Needs::operator_);
  EXPECT_EQ(needs(Method::post, "/devices/move"), Needs::operator_);
  EXPECT_EQ(needs(Method::patch, "/rollouts/R"), Needs::operator_);
  EXPECT_EQ(needs(Method::post, "/rollouts/R/rollback"), Needs::operator_);
  EXPECT_EQ(needs(Method::get, "/metrics"), Needs::viewer);
  EXPECT_EQ(needs(Method::get, "/healthz"), Needs::nothing);
  EXPECT_EQ(needs(Method::get, "/readyz"), Needs::nothing);
}

/// Two names may meet in the tables by chance, one time in thousands, and then count as one. Three others don't all.
template <class Names, class Holds>
bool any_apart(const Names& names, Holds holds) {
  return std::any_of(names.begin(), names.end(), holds);
}

TEST(Routes, WrongKeysAreSlowedDownAndKeepNobodyOut) {
  Bench bench(with_auth());
  const auto key = bench.add_key("vera", Role::viewer);
  const auto call = [&](const std::string& header) {
    return bench.call(Method::post, "/tasks/OTA_20261122_000001/cancel", "", {{"Authorization", header}});
  };
  for (int i = 0; i < AuthThrottle::kFailureBurst; ++i) EXPECT_EQ(call("Bearer wrong").reply.status, 401u);
  const auto slowed = call("Bearer wrong");
  EXPECT_EQ(slowed.reply.status, 429u);
  EXPECT_EQ(slowed.code(), "overloaded");
  EXPECT_EQ(slowed.header("Retry-After"), "2");
  const std::array others{"Bearer another", "Bearer of-others", "Bearer yet-another"};
  EXPECT_TRUE(any_apart(others, [&](const char* other) { return call(other).reply.status == 401; }))
      << "counted by key";
  int all = 0;
  for (int i = 0; i < 1000; ++i) all += call("Bearer guess " + std::to_string(i)).reply.status == 401;
  EXPECT_LT(all, AuthThrottle::kAllFailureBurst);
  EXPECT_EQ(call("").reply.status, 429u);
  EXPECT_EQ(call("Bearer " + key).reply.status, 403u) << "a right key isn't kept out";
  bench.clock.advance(Millis{2'000});
  EXPECT_EQ(call("Bearer wrong").reply.status, 401u);
}

TEST(Routes, AKeyMayCallSoOften) {
  Bench bench(with_auth());
  const auto vera = bench.add_key("vera", Role::viewer);
  const std::array others{bench.add_key("otto", Role::viewer), bench.add_key("olga", Role::viewer),
                          bench.add_key("olaf", Role::viewer)};
  const auto call = [&](const std::string& key) {
    return bench.call(Method::get, "/tasks/OTA_20261122_000001", "", {{"Authorization", "Bearer " + key}});
  };
  int calls = 0;
  Seen seen;
  while (calls < 5000 && (seen = call(vera)).reply.status != 429) ++calls;
  EXPECT_EQ(calls, AuthThrottle::kCallBurst);
  EXPECT_EQ(seen.header("Retry-After"), "1");
  EXPECT_TRUE(any_apart(others, [&](const std::string& other) { return call(other).reply.status == 404; }));
  bench.clock.advance(Millis{1'000});
  for (int i = 0; i < AuthThrottle::kCallsPerSecond; ++i) ASSERT_NE(call(vera).reply.status, 429u) << i;
  EXPECT_EQ(call(vera).reply.status, 429u);
}

TEST(Routes, EveryRefusedCallThatWouldChangeIsAudited) {
  Bench bench(with_auth());
  const auto key = bench.add_key("vera", Role::viewer);
  for (const auto& route : routes()) {
    const auto path = path_of(route);
    SCOPED_TRACE(std::string(http::to_string(route.method)) + " " + path);
    for (const auto& header : {std::string(), "Bearer " + key}) {
      bench.clock.advance(Millis{2'000});
      bench.engine.refused.clear();
      const auto seen = bench.call(route.method, path, "", {{"Authorization", header}});
      const bool barred = seen.reply.status == 401 || seen.reply.status == 403;
      EXPECT_EQ(barred, route.needs > (header.empty() ? Needs::nothing : Needs::viewer));
      ASSERT_EQ(bench.engine.refused.size(), barred ? 1u : 0u);
      if (!barred) continue;
      const auto& entry = bench.engine.refused.front();
      EXPECT_EQ(entry.caller.name, header.empty() ? "anonymous" : "vera");
      EXPECT_EQ(entry.caller.remote, "10.0.0.7:51234");
      EXPECT_EQ(entry.action, http::to_string(route.method));
      EXPECT_EQ(entry.target, path);
      EXPECT_EQ(entry.outcome, header.empty() ? "unauthenticated" : "forbidden");
    }
  }
  bench.engine.refused.clear();
  bench.call(Method::put, "/tasks");
  ASSERT_EQ(bench.engine.refused.size(), 1u) << "a method that the path doesn't take";
  EXPECT_EQ(bench.engine.refused.front().outcome, "method_not_allowed");
}

TEST(Routes, AFloodOfRefusedCallsDoesNotFillTheAuditLog) {
  Bench bench(with_auth());
  for (int i = 0; i < 1000; ++i) bench.call(Method::post, "/nowhere");
  const auto written = bench.engine.refused.size();
  EXPECT_LT(written, 100u);
  EXPECT_GT(written, 10u);
  bench.clock.advance(Millis{10'000});
  bench.call(Method::post, "/nowhere");
  ASSERT_EQ(bench.engine.refused.size(), written + 2);
  EXPECT_EQ(bench.engine.refused[written].target, std::to_string(1000 - written) + " calls");
}

TEST(Routes, NorDoesAFloodOfAKeysOwn) {
  Bench bench(with_auth());
  const auto vera = bench.add_key("vera", Role::viewer);
  const auto call = [&](const std::string& key) {
    return bench.call(Method::post, "/firmware/upgrade", "", {{"Authorization", "Bearer " + key}}).reply.status;
  };
  for (int i = 0; i < 1500; ++i) EXPECT_EQ(call(vera), 403u);
  const auto written = bench.engine.refused.size();
  EXPECT_LT(written, 100u);
  EXPECT_GT(written, 10u);
  const std::array others{bench.add_key("otto", Role::viewer), bench.add_key("olga", Role::viewer),
                          bench.add_key("olaf", Role::viewer)};
  bench.clock.advance(Millis{1'000});  // keys are read again
  EXPECT_TRUE(any_apart(others, [&](const std::string& other) {
    const auto before = bench.engine.refused.size();
    return call(other) == 403u && bench.engine.refused.size() == before + 1;
  })) << "one key's noise hides nobody else's refusal";
  bench.clock.advance(Millis{10'000});
  bench.engine.refused.clear();
  call(vera);
  ASSERT_EQ(bench.engine.refused.size(), 2u);
  EXPECT_EQ(bench.engine.refused[0].caller.name, "vera");
  EXPECT_EQ(bench.engine.refused[0].target, std::to_string(1500 - written) + " calls");
  EXPECT_EQ(bench.engine.refused[0].outcome, "not written down");
}

TEST(Routes, WrongCallsAreRecordedUnderTheKeysName) {
  Bench bench(with_auth());
  const auto ada = bench.add_key("ada", Role::admin);
  for (const auto& [path, status] : {std::pair{"/nowhere", 404u}, std::pair{"/tasks", 405u}}) {
    EXPECT_EQ(bench.call(Method::put, path, "", {{"Authorization", "Bearer " + ada}}).reply.status, status);
    ASSERT_FALSE(bench.engine.refused.empty());
    EXPECT_EQ(bench.engine.refused.back().caller.name, "ada") << path;
    EXPECT_EQ(bench.engine.refused.back().target, path);
    EXPECT_EQ(bench.call(Method::put, path, "", {{"Authorization", "Bearer wrong"}}).reply.status, status);
    EXPECT_EQ(bench.engine.refused.back().caller.name, "anonymous") << path;
  }
}

TEST(Routes, TheKeyNamesTheActor) {
  Bench bench(with_auth());
  const auto key = bench.add_key("otto", Role::operator_);
  bench.call(Method::post, "/tasks/OTA_20261122_000001/cancel", "", {{"Authorization", "bearer  " + key + " "}});
  EXPECT_EQ(bench.engine.actor, "otto");
  Bench open;
  open.call(Method::post, "/tasks/OTA_20261122_000001/cancel");
  EXPECT_EQ(open.engine.actor, "anonymous");
}

TEST(Routes, ACallerIsToldItsNameAndRole) {
  Bench bench(with_auth());
  const auto key = bench.add_key("otto", Role::operator_);
  const auto seen = bench.call(Method::get, "/me", "", {{"Authorization", "Bearer " + key}});
  EXPECT_EQ(seen.json, nlohmann::json::parse(R"({"name":"otto","role":"operator","scope":[],"auth_required":true})"));
  EXPECT_EQ(bench.get("/me").reply.status, 401u);
  Bench open;
  EXPECT_EQ(open.get("/me").json, nlohmann::json::parse(R"({"name":"anonymous","role":"admin","scope":[],"auth_required":false})"));
  EXPECT_EQ(open.get("/me?x=1").code(), "malformed");
}

Options called_gw() {
  auto options = Bench::no_auth();
  http::HostNames::Options names;
  names.own = {"gw"};
  names.configured = {"ota.example"};
  options.hosts = std::make_shared<http::HostNames>(std::move(names));
  return options;
}

TEST(Routes, PagesOfOtherSitesChangeNothingWhereNoKeyIsAsked) {
  Bench bench(called_gw());
  const auto answer = [&](Method method, const char* origin) {
    return bench.call(method, "/tasks/OTA_20261122_000001/cancel", "", {{"Host", "gw:8080"}, {"Origin", origin}});
  };
  for (const auto* origin : {"http://elsewhere.example", "null", "http://gw:8081", "https://gw"}) {
    EXPECT_EQ(answer(Method::post, origin).reply.status, 403u) << origin;
  }
  EXPECT_EQ(bench.engine.commands, 0);
  EXPECT_EQ(answer(Method::post, "http://gw:8080").reply.status, 200u);
  // Nor do they read.
  EXPECT_EQ(bench.call(Method::get, "/tasks", "", {{"Origin", "http://elsewhere.example"}}).reply.status, 403u);
}

TEST(Routes, NoneIsReachedUnderAnotherName) {
  for (const auto& options : {called_gw(), with_auth()}) {
    Bench bench(options);
    for (const auto& route : routes()) {
      const auto seen = bench.call(route.method, path_of(route), "", {{"Host", "evil.example:8080"}});
      EXPECT_EQ(seen.reply.status, 421u) << route.pattern;
      EXPECT_EQ(seen.code(), "misdirected_request");
      EXPECT_THAT(seen.json["detail"], HasSubstr("http.hosts"));
      const auto page = bench.call(route.method, path_of(route), "", {{"Origin", "http://evil.example"}});
      EXPECT_EQ(page.reply.status, 403u) << route.pattern;
      EXPECT_EQ(page.code(), "forbidden");
    }
    EXPECT_EQ(bench.call(Method::get, "/nowhere", "", {{"Host", "evil.example"}}).reply.status, 421u);
    EXPECT_EQ(bench.engine.commands, 0);
  }
}

TEST(Routes, StrangersFillNeitherLogNorAudit) {
  Bench bench;  // where no key is asked for, too
  for (int i = 0; i < 1000; ++i) bench.call(Method::post, "/firmware/upgrade", "", {{"Origin", "http://evil.example"}});
  EXPECT_LT(bench.engine.refused.size(), 100u);
  EXPECT_GT(bench.engine.refused.size(), 10u);
}

TEST(Routes, ABodyComesAsItIs) {
  Bench bench;
  for (const auto* path : {"/firmware?version=1.0.0", "/firmware/upgrade"}) {
    for (const auto* coding : {"gzip", "br", "gzip, identity", "x"}) {
      const auto seen = bench.call(Method::post, path, "{}", {{"Content-Encoding", coding}});
      EXPECT_EQ(seen.reply.status, 415u) << path;
      EXPECT_EQ(seen.code(), "unsupported_media_type");
      EXPECT_EQ(seen.header("Accept-Encoding"), "identity");
    }
  }
  EXPECT_EQ(bench.files_in_store(), 0u);
  EXPECT_EQ(bench.call(Method::post, "/firmware?version=1.0.0", "x", {{"Content-Encoding", "Identity"}}).reply.status,
            201u);
}

TEST(Routes, ARemovedKeyStopsWithinASecond) {
  Bench bench(with_auth());
  const auto key = bench.add_key("vera", Role::viewer);
  const std::map<std::string, std::string> headers = {{"Authorization", "Bearer " + key}};
  EXPECT_EQ(bench.call(Method::get, "/tasks", "", headers).reply.status, 200u);
  auto& keys = bench.db->api_keys();
  bench.write([&] { keys.remove("vera"); });
  bench.clock.advance(Millis{999});
  EXPECT_EQ(bench.call(Method::get, "/tasks", "", headers).reply.status, 200u);
  bench.clock.advance(Millis{1});
  EXPECT_EQ(bench.call(Method::get, "/tasks", "", headers).reply.status, 401u);
}

TEST(Routes, TheUseOfAKeyIsRecordedOnceAMinute) {
  Bench bench(with_auth());
  const std::map<std::string, std::string> headers = {
      {"Authorization", "Bearer " + bench.add_key("vera", Role::viewer)}};
  const auto call = [&] { bench.call(Method::get, "/tasks", "", headers); };
  call();
  call();
  EXPECT_EQ(bench.engine.used, std::vector<std::string>{"vera"});
  bench.clock.advance(Millis{59'999});
  call();
  EXPECT_EQ(bench.engine.used.size(), 1u);
  bench.clock.advance(Millis{1});
  call();
  EXPECT_EQ(bench.engine.used.size(), 2u);
}

TEST(Sampling, OneNamesNoiseCountsForNoOther) {
  ota::test::FakeClock clock;
  Sampling sampling(clock, 1, 2);
  std::uint64_t left_out = 0;
  const int names = 2'000;  // of a hash to 4,096 places hundreds would meet another
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < names; ++i) EXPECT_TRUE(sampling.take("key-" + std::to_string(i), left_out)) << i;
  EXPECT_EQ(left_out, 0u);
  EXPECT_FALSE(sampling.take("key-7", left_out));
  EXPECT_TRUE(sampling.take("another", left_out));
}

}  // namespace
}  // namespace ota::rest::test
