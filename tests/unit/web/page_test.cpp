#include "ota/web/page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <future>
#include <map>
#include <string>

#include "web/assets.hpp"

namespace ota::web {
namespace {

using testing::HasSubstr;
using testing::Not;

class GetRequest final : public http::Request {
 public:
  explicit GetRequest(std::string path, std::map<std::string, std::string> headers = {},
                      http::Method method = http::Method::get)
      : path_(std::move(path)), headers_(std::move(headers)), method_(method) {}

  http::Method method() const noexcept override { return method_; }
  std::string_view path() const noexcept override { return path_; }
  std::string_view query() const noexcept override { return {}; }
  std::string_view authority() const noexcept override {
    const auto host = header("Host");
    return host.empty() ? "localhost:8080" : host;
  }
  std::string_view header(std::string_view name) const noexcept override {
    const auto found = headers_.find(std::string(name));
    return found == headers_.end() ? std::string_view() : std::string_view(found->second);
  }
  const std::string& remote() const noexcept override { return from_; }
  const std::string& client_name() const noexcept override { return client_; }
  std::optional<std::uint64_t> content_length() const noexcept override { return 0; }
  boost::asio::awaitable<Result<std::size_t>> read_some(std::span<char>) override { co_return std::size_t{0}; }
  boost::asio::awaitable<Result<std::string>> read_all(std::size_t) override { co_return std::string(); }

 private:
  std::string path_;
  std::map<std::string, std::string> headers_;
  http::Method method_;
  std::string from_ = "10.0.0.7:51234";
  std::string client_;
};

http::Reply answer_to(GetRequest request) {
  const Page page(std::make_shared<http::HostNames>());
  boost::asio::io_context context;
  http::Reply reply;
  boost::asio::co_spawn(context, page.handle(request), [&](std::exception_ptr fault, http::Reply answer) {
    if (fault) std::rethrow_exception(fault);
    reply = std::move(answer);
  });
  context.run();
  return reply;
}

std::string header_of(const http::Reply& reply, const std::string& name) {
  for (const auto& header : reply.headers)
    if (header.name == name) return header.value;
  return {};
}

const std::map<std::string, std::string> kGzip = {{"Accept-Encoding", "gzip, br"}};

/// Of the page; without one there is nothing to test here but what says so.
class BuiltPage : public ::testing::Test {
 protected:
  void SetUp() override {
    if (assets().empty()) GTEST_SKIP() << "built with OTAD_WEB=OFF";
  }
};

TEST(Page, OwnsItsPathsAlone) {
  EXPECT_TRUE(Page::owns("/"));
  EXPECT_TRUE(Page::owns("/web/app-0.js"));
  for (const auto* path : {"", "/web", "/webhooks", "/devices", "//", "/summary"}) EXPECT_FALSE(Page::owns(path)) << path;
}

TEST(Page, WithoutItTheRootSaysWhereTheInterfaceIs) {
  if (!assets().empty()) GTEST_SKIP() << "built with the page";
  const auto reply = answer_to(GetRequest("/"));
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.content_type, "text/plain; charset=utf-8");
  EXPECT_THAT(reply.body, HasSubstr("/summary"));
  EXPECT_THAT(reply.body, HasSubstr("/openapi.json"));
}

TEST(Page, EveryReplyHasTheStrictHeaders) {
  for (const auto* path : {"/", "/web/nothing"}) {
    const auto reply = answer_to(GetRequest(path));
    const auto policy = header_of(reply, "Content-Security-Policy");
    EXPECT_THAT(policy, HasSubstr("default-src 'self'"));
    EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
    EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
    EXPECT_EQ(header_of(reply, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(header_of(reply, "Referrer-Policy"), "no-referrer");
  }
}

TEST(Page, RefusesOtherMethodsFilesAndHosts) {
  EXPECT_EQ(answer_to(GetRequest("/", {}, http::Method::post)).status, 405u);
  EXPECT_EQ(header_of(answer_to(GetRequest("/", {}, http::Method::post)), "Allow"), "GET, HEAD");
  const auto missing = answer_to(GetRequest("/web/app-0000000000000000.js"));
  EXPECT_EQ(missing.status, 404u);
  EXPECT_THAT(missing.body, HasSubstr("\"not_found\""));
  EXPECT_EQ(answer_to(GetRequest("/", {{"Host", "evil.example"}})).status, 421u);
}

TEST_F(BuiltPage, TheDocumentIsAskedForEachTime) {
  const auto reply = answer_to(GetRequest("/", kGzip));
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(header_of(reply, "Cache-Control"), "no-cache");
  EXPECT_EQ(header_of(reply, "Content-Encoding"), "gzip");
  EXPECT_EQ(reply.content_type, "text/html; charset=utf-8");
}

TEST_F(BuiltPage, WhatItNamesIsThereAndCachedForEver) {
  const auto document = answer_to(GetRequest("/")).body;
  int named = 0;
  for (const auto& asset : assets().subspan(1)) {
    EXPECT_THAT(document, HasSubstr("\"" + std::string(asset.path.substr(1)) + "\""));
    const auto reply = answer_to(GetRequest(std::string(asset.path), kGzip));
    EXPECT_EQ(reply.status, 200u) << asset.path;
    EXPECT_EQ(header_of(reply, "Cache-Control"), "public, max-age=31536000, immutable");
    EXPECT_EQ(reply.body, asset.gzip);
    ++named;
  }
  EXPECT_EQ(named, 3);
}

TEST_F(BuiltPage, AClientWithoutGzipGetsTheSameBytes) {
  for (const auto& asset : assets()) {
    const auto reply = answer_to(GetRequest(std::string(asset.path), {{"Accept-Encoding", "gzip;q=0"}}));
    EXPECT_EQ(header_of(reply, "Content-Encoding"), "");
    EXPECT_EQ(header_of(reply, "Vary"), "Accept-Encoding");
    // gzip ends with CRC-32 and length of what it compresses (RFC 1952, 2.3.1).
    const auto crc = crc32(0, reinterpret_cast<const Bytef*>(reply.body.data()), static_cast<uInt>(reply.body.size()));
    std::uint32_t expected = 0;
    for (int i = 4; i >= 1; --i)
      expected = expected << 8 | static_cast<unsigned char>(asset.gzip[asset.gzip.size() - 8 + static_cast<std::size_t>(i) - 1]);
    EXPECT_EQ(crc, expected) << asset.path;
  }
}

TEST_F(BuiltPage, IsNotSentAgainToWhoHasIt) {
  for (const auto& headers : {kGzip, std::map<std::string, std::string>{}}) {
    const auto etag = header_of(answer_to(GetRequest("/", headers)), "ETag");
    EXPECT_THAT(etag, Not(HasSubstr("W/")));
    for (const auto& list : {etag, "W/" + etag, "\"x\", " + etag, std::string("*")}) {
      auto again = headers;
      again["If-None-Match"] = list;
      const auto reply = answer_to(GetRequest("/", again));
      EXPECT_EQ(reply.status, 304u) << list;
      EXPECT_EQ(header_of(reply, "ETag"), etag);
      EXPECT_TRUE(reply.body.empty());
    }
    auto other = headers;
    other["If-None-Match"] = "\"x\"";
    EXPECT_EQ(answer_to(GetRequest("/", other)).status, 200u);
  }
  EXPECT_NE(header_of(answer_to(GetRequest("/", kGzip)), "ETag"), header_of(answer_to(GetRequest("/")), "ETag"));
}

}  // namespace
}  // namespace ota::web
