#include "download/downloads.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "download/manifest.hpp"
#include "download/path.hpp"
#include "download/transfer.hpp"
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

using test::kTask;
using test::kChunk;
constexpr std::uint64_t kSize = 3500;

TEST(DownloadPath, KnowsItsThreeForms) {
  const std::string base = "/download/" + std::string(64, 'a');
  const auto image = download::parse_download_path(base + "/image");
  ASSERT_TRUE(image);
  EXPECT_EQ(image->kind, download::DownloadPath::Kind::image);
  EXPECT_EQ(to_hex(image->digest), std::string(64, 'a'));
  EXPECT_EQ(download::parse_download_path(base + "/manifest")->kind, download::DownloadPath::Kind::manifest);
  EXPECT_EQ(download::parse_download_path(base + "/chunks/0")->index, 0u);
  EXPECT_EQ(download::parse_download_path(base + "/chunks/65535")->index, 65535u);
  EXPECT_EQ(download::parse_download_path(base + "/chunks/99999999999999999999999")->index, ~0ull);
}

TEST(DownloadPath, RefusesTheRest) {
  const std::string hex(64, 'a');
  for (const auto& path :
       {std::string(), std::string("/download/"), "/download/" + hex, "/download/" + hex + "/",
        "/download/" + hex + "/images", "/download/" + hex + "/chunks", "/download/" + hex + "/chunks/",
        "/download/" + hex + "/chunks/-1", "/download/" + hex + "/chunks/01", "/download/" + hex + "/chunks/1/",
        "/download/" + hex + "/chunks/1x", "/download/" + hex + "/chunks/{index}", "/download/" + hex + "/chunks/+1",
        "/download/" + hex + "a/image", "/download/" + std::string(64, 'A') + "/image",
        "/download/" + std::string(64, 'g') + "/image", "/download/../" + hex + "/image",
        "/downloads/" + hex + "/image", "/download/" + hex + "/chunks/%31"})
    EXPECT_FALSE(download::parse_download_path(path)) << path;
}

class Signed : public testing::Test {
 protected:
  download::UrlVerdict verify(std::string_view text, std::int64_t now = 1000) {
    return signer.verify(to_hex(image), text, now, grant);
  }
  const Digest image = firmware::sha256("image");
  download::UrlSigner signer{{"first", "second"}};
  std::string query = signer.sign(image, kChunk, kTask, 2000);
  download::UrlGrant grant;
};

TEST_F(Signed, GoodUntilItExpires) {
  EXPECT_EQ(verify(query, 1999), download::UrlVerdict::good);
  EXPECT_EQ(grant.task, kTask);
  EXPECT_EQ(grant.chunk_bytes, kChunk);
  EXPECT_EQ(verify(query, 2000), download::UrlVerdict::expired);
  EXPECT_EQ(verify(query, 1'000'000), download::UrlVerdict::expired);
}

TEST_F(Signed, LooksAsTheProtocolSays) {
  EXPECT_THAT(query, testing::MatchesRegex("bytes=1000&task=OTA_20261122_000042&exp=2000&sig=[A-Za-z0-9_-]{43}"));
}

TEST_F(Signed, AnyOrderPassesAndIsKnownAsAnother) {
  EXPECT_EQ(verify(query), download::UrlVerdict::good);
  EXPECT_TRUE(grant.as_signed);
  const auto sig = query.substr(query.find("sig="));
  for (const auto& other : {sig + "&exp=2000&task=OTA_20261122_000042&bytes=1000", query + "&"}) {
    for (int round = 0; round < 2; ++round) {
      EXPECT_EQ(verify(other), download::UrlVerdict::good) << other;
      EXPECT_FALSE(grant.as_signed) << other;
    }
  }
}

TEST_F(Signed, WhatIsNotSignedIsRefused) {
  for (const auto* more : {"&x=1", "&x=", "&flag", "&&", "&=", "&Bytes=1000", "&bytes", "&sig2=x", "&%62ytes=1000"})
    EXPECT_EQ(verify(query + more), download::UrlVerdict::unsigned_parameter) << more;
  EXPECT_EQ(verify("x=1&" + query), download::UrlVerdict::unsigned_parameter);
  EXPECT_EQ(verify("&" + query), download::UrlVerdict::unsigned_parameter);
}

TEST_F(Signed, OlderKeysAreHonouredOthersNot) {
  EXPECT_EQ(verify(download::UrlSigner({"second"}).sign(image, kChunk, kTask, 2000)), download::UrlVerdict::good);
  EXPECT_EQ(verify(download::UrlSigner({"third"}).sign(image, kChunk, kTask, 2000)), download::UrlVerdict::wrong);
  EXPECT_EQ(download::UrlSigner({}).verify(to_hex(image), query, 1000, grant), download::UrlVerdict::wrong);
  EXPECT_EQ(download::UrlSigner({""}).verify(to_hex(image), download::UrlSigner({""}).sign(image, 1, kTask, 2000), 1000,
                                             grant),
            download::UrlVerdict::wrong);
}

TEST_F(Signed, AnotherImageIsWrong) {
  EXPECT_EQ(signer.verify(to_hex(firmware::sha256("other")), query, 1000, grant), download::UrlVerdict::wrong);
}

TEST_F(Signed, EveryChangedCharacterIsNoticed) {
  ASSERT_EQ(verify(query), download::UrlVerdict::good);
  for (std::size_t at = 0; at < query.size(); ++at) {
    for (const char c : std::string_view("0129AaZz_-=&.%")) {
      auto tampered = query;
      if (tampered[at] == c) continue;
      tampered[at] = c;
      EXPECT_NE(verify(tampered), download::UrlVerdict::good) << tampered;
    }
    auto shorter = query;
    shorter.erase(at, 1);
    EXPECT_NE(verify(shorter), download::UrlVerdict::good) << shorter;
  }
}

TEST_F(Signed, WhatWasGoodOnceIsLookedAtAgain) {
  ASSERT_EQ(verify(query), download::UrlVerdict::good);
  grant = {};
  EXPECT_EQ(verify(query), download::UrlVerdict::good);
  EXPECT_EQ(grant.task, kTask);
  EXPECT_EQ(grant.chunk_bytes, kChunk);
  EXPECT_EQ(verify(query, 2000), download::UrlVerdict::expired);
  EXPECT_EQ(signer.verify(to_hex(firmware::sha256("other")), query, 1000, grant), download::UrlVerdict::wrong);
  EXPECT_EQ(download::UrlSigner({"third"}).verify(to_hex(image), query, 1000, grant), download::UrlVerdict::wrong);
}

TEST_F(Signed, MissingPartsAreMissing) {
  for (const auto* lacking : {"", "sig=x", "bytes=1000&task=OTA_20261122_000042&exp=2000", "bytes=&task=&exp=&sig="})
    EXPECT_EQ(verify(lacking), download::UrlVerdict::missing) << lacking;
}

TEST_F(Signed, PartsTwiceAreWrong) {
  for (const auto* more : {"&exp=9999", "&bytes=1000", "&task=OTA_20261122_000042", "&sig="})
    EXPECT_EQ(verify(query + more), download::UrlVerdict::wrong) << more;
}

TEST_F(Signed, RandomQueriesAreNeverGood) {
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = query;
    for (auto edits = 1 + random() % 4; edits > 0; --edits) text[random() % text.size()] = static_cast<char>(random());
    if (text != query) {
      EXPECT_NE(verify(text), download::UrlVerdict::good);
    }
  }
  EXPECT_NE(verify(std::string(100'000, '&')), download::UrlVerdict::good);
  EXPECT_NE(verify("task=" + std::string(10'000, '1') + "&bytes=1&exp=1&sig=" + std::string(43, 'A')),
            download::UrlVerdict::good);
}

class Download : public testing::Test {
 protected:
  Download() {
    world.store.images[digest] = std::make_shared<test::TestImage>(digest, kSize);
    auto made = std::make_shared<firmware::Manifest>();
    for (int i = 0; i < 4; ++i) made->push_back(firmware::sha256(std::to_string(i)));
    manifest = made;
    world.store.ready[{digest, kChunk}] = manifest;
    open_task();
  }
  void open_task() {
    engine::Transfer transfer;
    transfer.task = kTask;
    transfer.device = "gw-17";
    transfer.image = digest;
    transfer.chunk_bytes = kChunk;
    transfer.secret = firmware::sha256("the secret of gw-17");
    transfer.have = ChunkBitmap(4);
    transfer.priority = Priority::security;
    transfer.signature = FirmwareSignature{"vendor", "c2ln"};
    transfer.allowance = 10'000;
    world.engine.transfers().open(std::move(transfer));
  }
  std::int64_t now() const {
    return std::chrono::floor<std::chrono::seconds>(world.clock.wall().time_since_epoch()).count();
  }
  std::string query(std::uint32_t bytes = kChunk) const {
    return download::UrlSigner(world.options.signing_keys).sign(digest, bytes, kTask, now() + 3600);
  }
  std::string path(std::string_view what) const { return "/download/" + to_hex(digest) + "/" + std::string(what); }
  http::Reply get(std::string_view what, Method method = Method::get) {
    TestRequest request(method, path(what), query());
    return world.handle(request);
  }
  http::Reply by_token(std::string_view what, std::string token, std::string query_text = "") {
    TestRequest request(Method::get, path(what), std::move(query_text));
    request.headers["Authorization"] = "Bearer " + std::move(token);
    return world.handle(request);
  }
  std::string digest_field(const Digest& of) const { return "sha-256=:" + firmware::base64(of) + ":"; }
  void expect_problem(const http::Reply& reply, unsigned status, std::string_view code, std::string_view detail = "") {
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(reply.content_type, "application/problem+json");
    const auto problem = json::parse(reply.body);
    EXPECT_EQ(problem["code"], code);
    EXPECT_THAT(problem["detail"].get<std::string>(), HasSubstr(std::string(detail)));
    EXPECT_FALSE(reply.file);
  }
  ChunkRanges missing() { return world.engine.transfers().collect(kTask.number).value().have.missing(); }

  const Digest digest = firmware::sha256("image");
  std::shared_ptr<const firmware::Manifest> manifest;
  DeviceWorld world;
};

TEST_F(Download, AChunkIsAPartOfTheFile) {
  const auto reply = get("chunks/2");
  EXPECT_EQ(reply.status, 200u);
  ASSERT_TRUE(reply.file);
  EXPECT_EQ(reply.file->cache_control, "public, max-age=31536000, immutable");
  EXPECT_EQ(reply.file->offset, 2000u);
  EXPECT_EQ(reply.file->length, 1000u);
  EXPECT_EQ(reply.file->etag, '"' + to_hex(digest) + '"');
  EXPECT_EQ(reply.file->content_digest, digest_field((*manifest)[2]));
  EXPECT_EQ(reply.file->repr_digest, digest_field((*manifest)[2]));
  EXPECT_EQ(reply.file->source->descriptor(), 42);
  EXPECT_EQ(get("chunks/3").file->length, 500u);
  EXPECT_EQ(world.api->counters().downloads, 2u);
  EXPECT_TRUE(world.engine.asked.empty()) << "it is an active transfer";
  EXPECT_EQ(world.store.prepared, 0);
}

TEST_F(Download, TheImageIsTheWholeFile) {
  const auto reply = get("image");
  ASSERT_TRUE(reply.file);
  EXPECT_EQ(reply.file->offset, 0u);
  EXPECT_EQ(reply.file->length, kSize);
  EXPECT_EQ(reply.file->content_digest, digest_field(digest));
  EXPECT_EQ(reply.file->repr_digest, digest_field(digest));
}

TEST_F(Download, WhatWasSentIsAmongTheActiveTransfers) {
  auto image = get("image");
  image.file->listener->sent(500, 1500);
  EXPECT_EQ(missing(), (ChunkRanges{{0, 0}, {2, 3}}));
  auto chunk = get("chunks/3");
  chunk.file->listener->sent(3000, 500);
  const auto change = world.engine.transfers().collect(kTask.number);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->have.missing(), (ChunkRanges{{0, 0}, {2, 2}}));
  EXPECT_EQ(change->bytes_sent, 2000u);
  EXPECT_EQ(change->transport, Transport::http);
}

TEST_F(Download, AReplyStaysUnderItsDevicesCapWhenItsTaskEnds) {
  const auto reply = get("image");
  const auto held = world.engine.transfers().active(kTask.number).value();
  EXPECT_EQ(reply.file->source->bandwidth().key, held.device);
  EXPECT_TRUE(reply.file->source->bandwidth().urgent);
  world.engine.transfers().close(kTask.number);
  EXPECT_EQ(reply.file->source->bandwidth().key, held.device);
  EXPECT_TRUE(reply.file->source->bandwidth().urgent);
}

TEST_F(Download, HeadCountsNothing) {
  const auto reply = get("chunks/1", Method::head);
  ASSERT_TRUE(reply.file);
  EXPECT_FALSE(reply.file->listener);
  EXPECT_EQ(world.api->counters().downloads, 0u);
}

TEST_F(Download, RefusesOtherMethodsAndPaths) {
  const auto reply = get("image", Method::post);
  expect_problem(reply, 405, "method_not_allowed");
  EXPECT_EQ(header_of(reply, "Allow"), "GET, HEAD");
  expect_problem(get("chunks/x"), 404, "not_found");
  expect_problem(get("../../etc/passwd"), 404, "not_found");
}

TEST_F(Download, SaysWhatIsWrongWithTheUrl) {
  TestRequest none(Method::get, path("image"));
  expect_problem(world.handle(none), 403, "not_authorized", "no signed query");
  TestRequest wrong(Method::get, path("image"), query() + "x");
  expect_problem(world.handle(wrong), 403, "not_authorized", "signature is wrong");
  TestRequest late(Method::get, path("image"), query());
  world.clock.wall_time += std::chrono::hours{1};
  expect_problem(world.handle(late), 403, "not_authorized", "expired");
}

TEST_F(Download, EscapedQueriesAreUnderstood) {
  auto escaped = query();
  escaped.replace(escaped.find("OTA_"), 4, "OTA%5F");
  TestRequest request(Method::get, path("image"), escaped);
  const auto reply = world.handle(request);
  EXPECT_EQ(reply.status, 200u);
  ASSERT_TRUE(reply.file);
  EXPECT_EQ(reply.file->cache_control, "private, max-age=31536000, immutable") << "no copy of it in a shared cache";
}

TEST_F(Download, OnlyWhatWasSignedMayStandInTheQuery) {
  for (const auto* more : {"&x=1", "&x=%zz", "&v=", "&flag", "&%78=1"}) {
    TestRequest request(Method::get, path("image"), query() + more);
    expect_problem(world.handle(request), 403, "not_authorized", "not signed");
  }
}

TEST_F(Download, AsksTheEngineForOtherThanActiveTransfers) {
  world.engine.transfers().close(kTask.number);
  world.engine.access = engine::Access::unknown;
  expect_problem(get("image"), 403, "not_authorized", "unknown");
  world.engine.access = engine::Access::ended;
  expect_problem(get("image"), 410, "task_ended");
  world.engine.access = engine::Access::not_now;
  const auto later = get("image");
  expect_problem(later, 503, "overloaded", "not active");
  EXPECT_EQ(header_of(later, "Retry-After"), "30");
  world.engine.access = fail(Errc::overloaded, "the queue is full");
  expect_problem(get("image"), 503, "overloaded", "queue");
  world.engine.access = engine::Access::granted;
  EXPECT_EQ(get("image").status, 200u);
  EXPECT_EQ(world.engine.asked.size(), 5u);
  EXPECT_EQ(world.engine.asked[0], kTask);
}

TEST_F(Download, TheDevicesOwnTokenIsAsGoodAsASignature) {
  for (const auto* query_text :
       {"", "task=OTA_20261122_000042", "bytes=1000&task=OTA%5F20261122_000042&exp=1&sig=old"}) {
    const auto reply = by_token("chunks/2", "the secret of gw-17", query_text);
    EXPECT_EQ(reply.status, 200u) << query_text;
    ASSERT_TRUE(reply.file) << query_text;
    EXPECT_EQ(reply.file->offset, 2000u);
    EXPECT_EQ(reply.file->cache_control, "private, max-age=31536000, immutable")
        << "no shared cache may hand it to another";
    reply.file->listener->sent(2000, 1000);
  }
  EXPECT_TRUE(world.engine.asked.empty()) << "it is an active transfer";
  EXPECT_EQ(missing(), (ChunkRanges{{0, 1}, {3, 3}}));
  EXPECT_EQ(by_token("manifest", "the secret of gw-17").status, 200u);
  EXPECT_EQ(by_token("image", "the secret of gw-17").status, 200u);
}

TEST_F(Download, ItsCertificateToo) {
  TestRequest request(Method::get, path("chunks/0"), "task=OTA_20261122_000042");
  request.client = "gw-17";
  EXPECT_EQ(world.handle(request).status, 200u);
  request.client = "gw-18";
  expect_problem(world.handle(request), 403, "not_authorized");
  TestRequest unnamed(Method::get, path("chunks/0"));
  unnamed.client = "gw-17";
  EXPECT_EQ(world.handle(unnamed).status, 200u);
}

TEST_F(Download, AnotherDevicesTokenOpensNothing) {
  const TaskId other{20261122, 43};
  engine::Transfer transfer;
  transfer.task = other;
  transfer.device = "gw-18";
  transfer.image = firmware::sha256("another image");
  transfer.chunk_bytes = kChunk;
  transfer.secret = firmware::sha256("the secret of gw-18");
  transfer.have = ChunkBitmap(4);
  world.engine.transfers().open(std::move(transfer));
  for (const auto* query_text : {"", "task=OTA_20261122_000042", "task=OTA_20261122_000043"})
    for (const auto* token : {"the secret of gw-18", "nobody's", " "})
      for (const auto* what : {"chunks/0", "image", "manifest"})
        expect_problem(by_token(what, token, query_text), 403, "not_authorized");
  EXPECT_TRUE(world.engine.asked.empty()) << "active transfers are decided without it";
  EXPECT_FALSE(world.engine.transfers().collect(kTask.number)) << "nothing moved";
}

TEST_F(Download, ATokenAsksForItsTasksOwnGrid) {
  expect_problem(by_token("chunks/0", "the secret of gw-17", "bytes=500"), 403, "not_authorized", "1000 bytes");
  expect_problem(by_token("chunks/0", "the secret of gw-17", "task=nonsense"), 403, "not_authorized", "malformed");
  expect_problem(by_token("chunks/0", "the secret of gw-17", "x=%zz"), 403, "not_authorized", "malformed");
}

TEST_F(Download, WithATokenTheEngineIsAskedForOtherThanActiveTransfers) {
  world.engine.transfers().close(kTask.number);
  const auto get_it = [&] { return by_token("chunks/1", "the secret of gw-17", "task=OTA_20261122_000042"); };
  world.engine.access = engine::Access::unknown;
  expect_problem(get_it(), 403, "not_authorized", "no device");
  world.engine.access = engine::Access::ended;
  expect_problem(get_it(), 410, "task_ended");
  world.engine.access = engine::Access::not_now;
  expect_problem(get_it(), 503, "overloaded");
  world.engine.access = engine::Access::granted;
  world.engine.grid_of_admitted = kChunk;
  EXPECT_EQ(get_it().file->offset, 1000u);
  ASSERT_EQ(world.engine.claims.size(), 4u);
  const auto& proof = world.engine.claims.back().proof;
  ASSERT_TRUE(proof);
  EXPECT_EQ(proof->token, firmware::sha256("the secret of gw-17"));
  EXPECT_EQ(proof->image, digest);
  expect_problem(by_token("chunks/1", "the secret of gw-17"), 403, "not_authorized", "no device");
  EXPECT_EQ(world.engine.claims.size(), 4u) << "nobody knows which task";
}

TEST_F(Download, PastTheEndThereIsNoChunk) {
  expect_problem(get("chunks/4"), 404, "bad_chunk_range", "the last one is 3");
  expect_problem(get("chunks/99999999999999999999"), 404, "bad_chunk_range");
}

TEST_F(Download, AnImageThatIsGoneIsDamaged) {
  world.store.images.clear();
  expect_problem(get("image"), 503, "image_damaged");
  expect_problem(get("chunks/0"), 503, "image_damaged");
  expect_problem(get("manifest"), 503, "image_damaged");
}

TEST_F(Download, MissingGridsArePrepared) {
  world.store.later = std::exchange(world.store.ready, {});
  EXPECT_EQ(get("chunks/0").file->content_digest, digest_field((*manifest)[0]));
  EXPECT_EQ(world.store.prepared, 1);
  world.store.trouble = fail(Errc::overloaded, "the disk is busy");
  expect_problem(get("chunks/0"), 503, "overloaded", "disk");
  world.store.trouble = fail(Errc::image_damaged, "rotten");
  expect_problem(get("manifest"), 503, "image_damaged", "rotten");
}

TEST_F(Download, AManifestOfAnotherLengthIsAFault) {
  world.store.ready[{digest, kChunk}] = std::make_shared<firmware::Manifest>(3);
  expect_problem(get("chunks/3"), 503, "server_fault");
}

TEST_F(Download, ManifestAsJson) {
  const auto reply = get("manifest");
  EXPECT_EQ(reply.content_type, "application/json");
  EXPECT_EQ(header_of(reply, "Vary"), "Accept");
  json wanted = {{"checksum", to_checksum(digest)},
                 {"size", kSize},
                 {"chunk_bytes", kChunk},
                 {"chunk_count", 4},
                 {"signature", {{"algorithm", "ed25519"}, {"key_id", "vendor"}, {"value", "c2ln"}}}};
  for (const auto& one : *manifest) wanted["chunks"].push_back(to_hex(one));
  EXPECT_EQ(json::parse(reply.body), wanted);
}

TEST_F(Download, ManifestOfATaskThatWaitsForItsConfirmationIsSignedToo) {
  world.engine.transfers().close(kTask.number);
  world.engine.access = engine::Access::granted;
  world.engine.signature_of_admitted = FirmwareSignature{"vendor", "b3RoZXI="};
  EXPECT_EQ(json::parse(get("manifest").body)["signature"]["value"], "b3RoZXI=");
  world.engine.signature_of_admitted.reset();
  EXPECT_FALSE(json::parse(get("manifest").body).contains("signature"));
}

TEST_F(Download, WhoFetchesTheSameOverAndOverIsSlowed) {
  auto image = get("image");
  for (int i = 0; i < 2; ++i) image.file->listener->sent(0, kSize);
  const auto before = get("image").file->source->bandwidth();
  EXPECT_EQ(before.limit, 0u);
  image.file->listener->sent(0, kSize);
  const auto slowed = get("image").file->source->bandwidth();
  EXPECT_EQ(slowed.limit, kRepeatedDownloadRate);
  EXPECT_EQ(slowed.key, before.key) << "all connections of the device together";
  world.engine.transfers().close(kTask.number);
  world.engine.access = engine::Access::granted;
  EXPECT_EQ(get("image").file->source->bandwidth().limit, 1u << 20) << "verified, and nobody counts";
}

TEST_F(Download, ManifestAsOctets) {
  TestRequest request(Method::get, path("manifest"), query());
  request.headers["Accept"] = "application/octet-stream";
  const auto reply = world.handle(request);
  EXPECT_EQ(reply.content_type, "application/octet-stream");
  ASSERT_EQ(reply.body.size(), 4 * 32u);
  EXPECT_EQ(std::string_view(reply.body).substr(32, 32),
            std::string_view(reinterpret_cast<const char*>((*manifest)[1].data()), 32));
}

TEST(DownloadManifest, AcceptIsUnderstood) {
  for (const auto* octets :
       {"application/octet-stream", "Application/Octet-Stream", "text/html, application/octet-stream;q=0.5",
        "application/json;q=0.2,application/octet-stream;q=0.3", "application/octet-stream , */*"})
    EXPECT_TRUE(download::prefers_octets(octets)) << octets;
  for (const auto* json_first : {"", "*/*", "application/json", "application/octet-stream;q=0", "application/*",
                                 "application/json, application/octet-stream", "nonsense;;,,", ",;q=,"})
    EXPECT_FALSE(download::prefers_octets(json_first)) << json_first;
}

TEST(DownloadManifest, TheLargestStaysWithinItsBound) {
  const firmware::Manifest largest(kMaxChunks);
  const auto text = download::manifest_json({}, {kMaxChunks * 512ull, 512}, largest, {});
  EXPECT_LT(text.size(), 4'500'000u);
  EXPECT_EQ(json::parse(text)["chunks"].size(), kMaxChunks);
}

}  // namespace
}  // namespace ota::device
