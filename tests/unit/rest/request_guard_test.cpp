#include "ota/wire/request_guard.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/rest/doubles.hpp"

namespace ota::rest {
namespace {

using http::Method;
using test::HandRequest;
using testing::HasSubstr;

const http::HostNames& gateway() {
  static const http::HostNames names([] {
    http::HostNames::Options options;
    options.own = {"gw"};
    options.configured = {"ota.example"};
    return options;
  }());
  return names;
}

std::optional<Errc> refused(Method method, std::map<std::string, std::string> headers,
                            wire::ReadsChange reads = wire::ReadsChange::no) {
  HandRequest request(method, "/");
  request.headers = std::move(headers);
  const auto error = wire::refuse_request(request, gateway(), reads);
  return error ? std::optional(error->code) : std::nullopt;
}

TEST(RequestGuard, TheHostIsOneOfOurs) {
  for (const auto* host :
       {"gw", "gw:8080", "GW:1", "localhost", "localhost.:80", "127.0.0.1:8080", "[::1]:8080", "ota.example"})
    EXPECT_EQ(refused(Method::get, {{"Host", host}}), std::nullopt) << host;
  for (const auto* host :
       {"evil.example:8080", "gw.evil.example", "10.9.8.7", "0.0.0.0:8080", "[::2]:8080", "attacker"})
    EXPECT_EQ(refused(Method::get, {{"Host", host}}), Errc::misdirected) << host;
  for (const auto* host : {"localhost@evil.example", "gw:8080:1", "gw gw", "gw,evil", "http://gw", ":8080"})
    EXPECT_EQ(refused(Method::get, {{"Host", host}}), Errc::bad_message) << host;
  // A proxy's word about it is anybody's word.
  EXPECT_EQ(refused(Method::get, {{"Host", "evil.example"}, {"X-Forwarded-Host", "gw"}}), Errc::misdirected);
  EXPECT_EQ(refused(Method::get, {{"Host", "gw"}, {"X-Forwarded-Host", "evil.example"}}), std::nullopt);
}

TEST(RequestGuard, OnlyThisMachineMayNameNoHost) {
  HandRequest request(Method::get, "/healthz");
  request.names_host = false;
  for (const auto* from : {"127.0.0.1:5", "127.9.9.9:5", "[::1]:5"}) {
    request.from = from;
    EXPECT_FALSE(wire::refuse_request(request, gateway(), wire::ReadsChange::no)) << from;
  }
  for (const auto* from : {"10.0.0.7:51234", "[::2]:5", "128.0.0.1:5"}) {
    request.from = from;
    const auto error = wire::refuse_request(request, gateway(), wire::ReadsChange::no);
    ASSERT_TRUE(error) << from;
    EXPECT_EQ(error->code, Errc::bad_message);
  }
}

TEST(RequestGuard, TheRefusalSaysWhichSettingHelps) {
  HandRequest request(Method::get, "/");
  request.headers = {{"Host", "evil.example:8080"}};
  EXPECT_THAT(wire::refuse_request(request, gateway(), wire::ReadsChange::no)->message,
              AllOf(HasSubstr("\"evil.example\""), HasSubstr("http.hosts")));
  const auto message = [&request](const char* header, const char* value) {
    request.headers = {{"Host", "gw"}, {header, value}};
    return wire::refuse_request(request, gateway(), wire::ReadsChange::no)->message;
  };
  EXPECT_EQ(message("Origin", "https://evil.example:81"),
            "cross-origin requests are refused: this one is from a page of \"https://evil.example:81\"; if "
            "\"evil.example\" is a name of this server, add it to http.hosts in the settings");
  for (const auto* origin : {"null", "file://"})
    EXPECT_EQ(message("Origin", origin), fmt::format("cross-origin requests are refused: this one is from a page without "
                                                     "a host (Origin: \"{}\")",
                                                     origin))
        << "nothing that http.hosts could hold";
  EXPECT_EQ(message("Sec-Fetch-Site", "cross-site"), "cross-origin requests are refused");
}

TEST(RequestGuard, PagesOfOtherSitesAreRefusedWithAnyMethod) {
  for (const auto method :
       {Method::get, Method::head, Method::post, Method::put, Method::patch, Method::delete_, Method::other}) {
    for (const auto* origin :
         {"http://evil.example", "null", "", "https://gw", "http://gw:8081", "http://localhost:3000",
          "http://evil.example:8080", "gw:8080", "http://gw:8080@evil.example", "file://"}) {
      const auto wanted = *origin ? std::optional(Errc::forbidden) : std::nullopt;
      EXPECT_EQ(refused(method, {{"Host", "gw:8080"}, {"Origin", origin}}), wanted) << origin;
    }
    for (const auto* origin : {"http://gw:8080", "https://GW:8080", "http://localhost:8080", "http://127.0.0.1:8080",
                               "https://ota.example", "https://ota.example:8443"})
      EXPECT_EQ(refused(method, {{"Host", "gw:8080"}, {"Origin", origin}}), std::nullopt) << origin;
    EXPECT_EQ(refused(method, {{"Sec-Fetch-Site", "cross-site"}}), Errc::forbidden);
    EXPECT_EQ(refused(method, {{"Sec-Fetch-Site", "same-origin"}}), std::nullopt);
    EXPECT_EQ(refused(method, {{"Sec-Fetch-Site", "none"}}, wire::ReadsChange::yes), std::nullopt);
  }
}

TEST(RequestGuard, OnlyALinkToWhatIsReadMayBeFollowed) {
  const std::map<std::string, std::string> link{
      {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "document"}};
  EXPECT_EQ(refused(Method::get, link), std::nullopt);
  EXPECT_EQ(refused(Method::get, link, wire::ReadsChange::yes), Errc::forbidden);
  EXPECT_EQ(refused(Method::post, link), Errc::forbidden);
  auto frame = link;
  frame["Sec-Fetch-Dest"] = "iframe";
  EXPECT_EQ(refused(Method::get, frame), Errc::forbidden);
  // Another port of this machine, by a page that names no origin: an image.
  EXPECT_EQ(refused(Method::get, {{"Sec-Fetch-Site", "same-site"}}), std::nullopt);
  EXPECT_EQ(refused(Method::get, {{"Sec-Fetch-Site", "same-site"}}, wire::ReadsChange::yes), Errc::forbidden);
}

TEST(RequestGuard, JsonByType) {
  for (const auto* type : {"application/json", "Application/JSON; charset=utf-8", "application/problem+json",
                           "application/vnd.ota+JSON ;v=1"})
    EXPECT_TRUE(wire::is_json_type(type)) << type;
  for (const auto* type : {"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "+json",
                           "json", "application/jsonx", "text/plain;application/json"})
    EXPECT_FALSE(wire::is_json_type(type)) << type;
}

}  // namespace
}  // namespace ota::rest
