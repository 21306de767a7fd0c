// GET /firmware/latest and its manifest.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "ota/firmware/hash.hpp"
#include "unit/device/doubles.hpp"

namespace ota::device {
namespace {

using http::Method;
using nlohmann::json;
using test::DeviceWorld;
using test::header_of;
using test::TestRequest;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kPath = "/firmware/latest";
constexpr const char* kManifest = "/firmware/latest/manifest.json";

Offer an_image() {
  Offer offer{test::kTask, *DeviceId::parse("gw-17"), "1.4.0", "gw-a", Priority::normal, 1, 3, {}, {10, 5}, {}, {}, {}};
  offer.checksum = firmware::sha256("image");
  offer.grid = {1'000'000, 524'288};
  offer.md5 = Md5Digest{0xab, 0xcd};
  return offer;
}

class LatestTest : public testing::Test {
 protected:
  http::Reply get(const std::string& query, const char* path = kPath, std::map<std::string, std::string> headers = {}) {
    TestRequest request(Method::get, path, query);
    request.headers = std::move(headers);
    request.client = certificate;
    return world.handle(request);
  }
  const engine::LatestQuery& asked() const { return world.engine.latest_queries.back(); }

  DeviceWorld world;
  std::string certificate;
};

TEST_F(LatestTest, AnOfferIsARedirectToASignedUrl) {
  world.engine.answer = an_image();
  const auto reply = get("id=gw-17&hardware=gw-a&current=1.3.0", kPath, {{"User-Agent", "Wget/1.21.3"}});
  EXPECT_EQ(reply.status, 302u);
  EXPECT_TRUE(reply.body.empty());
  EXPECT_EQ(header_of(reply, "Cache-Control"), "no-store");
  const auto url = header_of(reply, "Location");
  EXPECT_THAT(url, StartsWith("http://gw:8080/download/" + to_hex(an_image().checksum) +
                              "/image?bytes=524288&task=OTA_20261122_000042&exp="));
  EXPECT_LE(url.size(), 255u) << "clients keep it in small buffers";
  EXPECT_EQ(asked().device->str(), "gw-17");
  EXPECT_EQ(asked().hardware, "gw-a");
  EXPECT_EQ(asked().current, "1.3.0");
  EXPECT_FALSE(asked().looks);
  EXPECT_EQ(world.engine.last_who.protocol, Protocol::latest);
  EXPECT_EQ(world.engine.last_who.client, "Wget/1.21.3");
}

TEST_F(LatestTest, NothingNewerIs304) {
  world.engine.answer = UpToDateAnswer{"1.4.0"};
  const auto reply = get("id=gw-17&current=1.4.0");
  EXPECT_EQ(reply.status, 304u);
  EXPECT_TRUE(reply.body.empty());
  EXPECT_EQ(header_of(reply, "Location"), "");
}

TEST_F(LatestTest, NotItsTurnIs503WithATime) {
  world.engine.answer = QueuedAnswer{{20261122, 42}, 7, 25};
  const auto reply = get("id=gw-17&current=1.3.0");
  EXPECT_EQ(reply.status, 503u);
  EXPECT_EQ(header_of(reply, "Retry-After"), "25");
}

TEST_F(LatestTest, AManifestIsForEsphome) {
  world.engine.answer = an_image();
  const auto reply = get("id=gw-17&current=1.3.0&chip=ESP32-C3", kManifest);
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.content_type, "application/json");
  EXPECT_EQ(json::parse(reply.body), json::parse(R"({"name":"gw-a","version":"1.4.0","builds":[{"chipFamily":"ESP32-C3",
    "ota":{"path":"http://gw:8080/firmware/latest?id=gw-17&current=1.3.0&chip=ESP32-C3",
    "md5":"abcd0000000000000000000000000000"}}]})"));
  EXPECT_LE(reply.body.size(), 256u);
  const auto same = get("id=gw-17&current=1.3.0&chip=ESP32-C3", kPath, {{"Accept", "application/json"}});
  EXPECT_EQ(same.body, reply.body);
  EXPECT_TRUE(asked().looks);
}

TEST_F(LatestTest, AManifestWithoutAnUpdateNamesTheCurrentVersion) {
  for (const Answer& answer : {Answer{UpToDateAnswer{}}, Answer{QueuedAnswer{}}}) {
    world.engine.answer = answer;
    const auto reply = get("id=gw-17&current=1.3.0", kManifest);
    EXPECT_EQ(reply.status, 200u);
    const auto manifest = json::parse(reply.body);
    EXPECT_EQ(manifest["version"], "1.3.0");
    EXPECT_EQ(manifest["builds"][0]["chipFamily"], "ESP32");
    EXPECT_EQ(manifest["builds"][0]["ota"]["md5"], "");
  }
  auto offer = an_image();
  offer.md5.reset();
  world.engine.answer = offer;
  EXPECT_EQ(json::parse(get("id=gw-17&current=1.3.0", kManifest).body)["version"], "1.3.0")
      << "it can't be checked yet";
}

TEST_F(LatestTest, TheDeviceIsNamedByTokenOrCertificate) {
  world.engine.answer = UpToDateAnswer{};
  const std::map<std::string, std::string> token{{"Authorization", "Bearer 0123456789abcdef"}};
  EXPECT_EQ(get("current=", kPath, token).status, 304u);
  EXPECT_FALSE(asked().device);
  EXPECT_FALSE(asked().current);
  EXPECT_EQ(world.engine.last_who.token_digest, firmware::sha256("0123456789abcdef"));
  certificate = "gw-18";
  EXPECT_EQ(get("current=1").status, 304u);
  EXPECT_EQ(asked().device->str(), "gw-18");
  EXPECT_TRUE(world.engine.last_who.certified);
  EXPECT_EQ(get("current=1&id=gw-19").status, 304u);
  EXPECT_EQ(asked().device->str(), "gw-19");
  EXPECT_FALSE(world.engine.last_who.certified) << "the certificate is another's";
}

TEST_F(LatestTest, BadQuestionsAreRefused) {
  for (const auto& query : {std::string(), std::string("id=gw-17"), std::string("current=1&id=a%2Fb"),
                            std::string("current=1&id="), std::string("current=1&id=gw&hardware=a%20b"),
                            std::string("current=%00&id=gw"), std::string("current=%ff&id=gw"),
                            std::string("current=%zz&id=gw"), "id=gw&current=" + std::string(129, '1'),
                            std::string("current=1&id=gw&chip=%22"), "current=1&id=gw&x=" + std::string(512, 'x')}) {
    const auto reply = get(query);
    EXPECT_EQ(reply.status, 400u) << query;
    EXPECT_EQ(json::parse(reply.body)["code"], "bad_message") << query;
  }
  EXPECT_TRUE(world.engine.latest_queries.empty());
  world.engine.answer = UpToDateAnswer{};
  EXPECT_EQ(get("current=1&id=gw&serial=7&hardware=").status, 304u) << "what means nothing here is passed over";
  TestRequest post(Method::post, kPath, "current=1&id=gw");
  const auto reply = world.handle(post);
  EXPECT_EQ(reply.status, 405u);
  EXPECT_EQ(header_of(reply, "Allow"), "GET");
}

TEST_F(LatestTest, RefusalsOfTheEngineAreProblems) {
  const std::pair<Errc, unsigned> refusals[] = {{Errc::not_authorized, 403},
                                                {Errc::unknown_device, 404},
                                                {Errc::wrong_hardware, 409},
                                                {Errc::too_many_new, 503},
                                                {Errc::overloaded, 503}};
  for (const auto& [code, status] : refusals) {
    world.engine.answer = ErrorAnswer{fail(code, "why"), {}};
    const auto reply = get("id=gw-17&current=1");
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(reply.content_type, "application/problem+json");
  }
}

TEST_F(LatestTest, GuessesOfATokenAreSlowedDown) {
  world.engine.answer = ErrorAnswer{fail(Errc::not_authorized, "wrong token"), {}};
  unsigned status = 403;
  for (int i = 0; i < 100 && status == 403; ++i)
    status = get("id=gw-17&current=1", kPath, {{"Authorization", "Bearer wrong" + std::to_string(i)}}).status;
  EXPECT_EQ(status, 503u);
}

}  // namespace
}  // namespace ota::device
