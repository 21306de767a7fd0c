#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

#include "device/credentials.hpp"
#include "device/long_polls.hpp"
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

void expect_error(const http::Reply& reply, unsigned status, std::string_view code) {
  EXPECT_EQ(reply.status, status);
  EXPECT_EQ(reply.content_type, "application/json");
  const auto error = json::parse(reply.body);
  EXPECT_EQ(error["type"], "error");
  EXPECT_EQ(error["code"], code);
}

TEST(HttpTransport, OwnsItsPathsOnly) {
  DeviceWorld world;
  for (const auto* path : {"/ota/gw-17/request", "/ota/", "/download/x", "/download/"})
    EXPECT_TRUE(world.api->owns(path));
  for (const auto* path : {"/ota", "/otap/x", "/", "", "/downloads/x", "/tasks", "/download"})
    EXPECT_FALSE(world.api->owns(path)) << path;
}

TEST(HttpTransport, RelativeRootsArePathsToo) {
  auto options = DeviceWorld::default_options();
  options.topic_root = "fleet/eu";
  DeviceWorld world({}, options);
  world.engine.answer = UpToDateAnswer{};
  EXPECT_TRUE(world.api->owns("/fleet/eu/gw-17/request"));
  TestRequest request(Method::post, "/fleet/eu/gw-17/request");
  EXPECT_EQ(world.handle(request).status, 200u);
}

TEST(HttpTransport, AnswersWithThePayloadOfTheTopic) {
  DeviceWorld world;
  world.engine.answer = UpToDateAnswer{"1.4.0"};
  TestRequest request(Method::post, "/ota/gw-17/request", {}, R"({"current_version":"1.4.0"})");
  request.headers["User-Agent"] = "curl/7.88.1";
  const auto reply = world.handle(request);
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.content_type, "application/json");
  EXPECT_EQ(reply.body, R"({"type":"up_to_date","version":"1.4.0"})");
  EXPECT_EQ(header_of(reply, "Cache-Control"), "no-store");
  EXPECT_EQ(world.engine.requests.at(0).second.current_version, "1.4.0");
  EXPECT_EQ(world.engine.last_who.protocol, Protocol::http);
  EXPECT_EQ(world.engine.last_who.client, "curl/7.88.1");
  EXPECT_TRUE(world.published.empty());
}

TEST(HttpTransport, OnlyUnderItsOwnNames) {
  DeviceWorld world;
  for (const auto& [method, path] : {std::pair{Method::post, "/ota/gw-17/request"},
                                     {Method::post, "/ota/gw-17/progress"},
                                     {Method::post, "/ota/gw-17/verify"},
                                     {Method::get, "/ota/gw-17/next"},
                                     {Method::get, "/ota/x"}}) {
    TestRequest rebound(method, path, "wait=0", "{}");
    rebound.host = "evil.example:8080";
    expect_error(world.handle(rebound), 421, "not_authorized");
    TestRequest foreign(method, path, "wait=0", "{}");
    foreign.headers["Origin"] = "http://evil.example";
    expect_error(world.handle(foreign), 403, "not_authorized");
    TestRequest image(method, path, "wait=0", "{}");
    image.headers["Sec-Fetch-Site"] = "cross-site";
    image.headers["Sec-Fetch-Mode"] = "navigate";
    image.headers["Sec-Fetch-Dest"] = "document";
    expect_error(world.handle(image), 403, "not_authorized");
  }
  EXPECT_TRUE(world.engine.requests.empty());
}

TEST(HttpTransport, MessagesAreJsonByTypeOrHaveNone) {
  DeviceWorld world;
  const auto status = [&](const char* header, const char* value) {
    TestRequest request(Method::post, "/ota/gw-17/request", {}, "{}");
    request.headers[header] = value;
    const auto reply = world.handle(request);
    if (reply.status == 415) expect_error(reply, 415, "bad_message");
    return reply.status;
  };
  for (const auto* type : {"", "application/json", "application/json; charset=utf-8", "application/vnd.ota+json"})
    EXPECT_EQ(status("Content-Type", type), 204u) << type;
  for (const auto* type : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x"})
    EXPECT_EQ(status("Content-Type", type), 415u) << type;
  EXPECT_EQ(status("Content-Encoding", "gzip"), 415u);
  EXPECT_EQ(world.engine.requests.size(), 4u);
}

TEST(HttpTransport, WithoutAPublicUrlItIsGivenTheAddressThatItAsked) {
  const Offer offer{kTask, *DeviceId::parse("gw-17"), "1", "", Priority::normal, 1, 3, {}, {10, 5}, {}, {}, {}};
  for (const auto& [public_url, tls, base] : {std::tuple{"", false, "http://localhost:9000"},
                                              {"", true, "https://localhost:9000"},
                                              {"http://gw:8080/ota", true, "http://gw:8080/ota"}}) {
    auto options = DeviceWorld::default_options();
    options.public_url = public_url;
    options.tls = tls;
    DeviceWorld world({}, options);
    world.engine.answer = offer;
    TestRequest request(Method::post, "/ota/gw-17/request", {}, "{}");
    request.host = "localhost:9000";
    const auto reply = world.handle(request);
    EXPECT_THAT(json::parse(reply.body)["url"], testing::StartsWith(std::string(base) + "/download/"));
    // What comes later as well.
    std::optional<std::string> told;
    ASSERT_TRUE(world.notifier->open_poll("gw-17", "http://localhost:9000",
                                          [&](std::optional<std::string> payload) { told = payload; }));
    world.notifier->push("gw-17", offer);
    ASSERT_TRUE(told);
    EXPECT_THAT(json::parse(*told)["url"], testing::StartsWith("http://localhost:9000/download/"));
  }
}

TEST(HttpTransport, EscapedIdsAreDecoded) {
  DeviceWorld world;
  TestRequest request(Method::post, "/ota/a%3Ab%40c/request");
  EXPECT_EQ(world.handle(request).status, 204u);
  EXPECT_EQ(world.engine.requests.at(0).first, "a:b@c");
}

TEST(HttpTransport, NothingToSayIs204) {
  DeviceWorld world;
  TestRequest request(Method::post, "/ota/gw-17/progress", {}, R"({"task_id":"OTA_20261122_000042","percent":3})");
  const auto reply = world.handle(request);
  EXPECT_EQ(reply.status, 204u);
  EXPECT_EQ(reply.content_type, "");
}

TEST(HttpTransport, WaitsForTheEngine) {
  DeviceWorld world;
  world.engine.hold = true;
  TestRequest request(Method::post, "/ota/gw-17/request");
  std::optional<http::Reply> reply;
  world.begin(request, reply);
  world.io.poll();
  ASSERT_FALSE(reply);
  world.engine.held.at(0)(QueuedAnswer{kTask, 1, 30});
  world.io.restart();
  world.io.run();
  ASSERT_TRUE(reply);
  EXPECT_EQ(json::parse(reply->body)["type"], "queued");
}

TEST(HttpTransport, RefusalsAreErrorPayloads) {
  const std::tuple<Errc, unsigned, std::string_view> wanted[] = {
      {Errc::unknown_device, 404, "unknown_device"}, {Errc::not_authorized, 403, "not_authorized"},
      {Errc::unknown_task, 404, "unknown_task"},     {Errc::no_such_firmware, 404, "no_such_firmware"},
      {Errc::wrong_hardware, 409, "wrong_hardware"}, {Errc::downgrade, 409, "downgrade"},
      {Errc::task_ended, 409, "task_ended"},         {Errc::bad_chunk_range, 400, "bad_chunk_range"},
      {Errc::overloaded, 503, "overloaded"},         {Errc::disk_full, 503, "server_fault"},
      {Errc::cancelled, 503, "overloaded"}};
  for (const auto& [errc, status, code] : wanted) {
    DeviceWorld world;
    world.engine.answer = ErrorAnswer{fail(errc, "why"), kTask};
    TestRequest request(Method::post, "/ota/gw-17/request");
    const auto reply = world.handle(request);
    expect_error(reply, status, code);
    EXPECT_EQ(json::parse(reply.body)["task_id"], "OTA_20261122_000042");
    EXPECT_EQ(header_of(reply, "Retry-After"), code == "overloaded" ? "5" : "");
    EXPECT_EQ(world.api->counters().dropped, errc == Errc::overloaded ? 1u : 0u);
  }
}

TEST(HttpTransport, BadMessagesDoNotReachTheEngine) {
  DeviceWorld world;
  TestRequest broken(Method::post, "/ota/gw-17/verify", {}, "{");
  expect_error(world.handle(broken), 400, "bad_message");
  TestRequest large(Method::post, "/ota/gw-17/verify", {}, std::string(65'537, ' '));
  expect_error(world.handle(large), 413, "bad_message");
  TestRequest odd(Method::post, "/ota/gw%2017/request");
  expect_error(world.handle(odd), 400, "bad_message");
  EXPECT_EQ(world.engine.received(), 0u);
  EXPECT_EQ(world.api->counters().bad_messages, 3u);
}

TEST(HttpTransport, IdsThatAreNone) {
  DeviceWorld world;
  for (const auto* id : {".", "..", "%2e", "%2E%2e", "", "%zz", "a%2fb", "gw%2017", "%00"}) {
    TestRequest request(Method::post, std::string("/ota/") + id + "/request");
    const auto reply = world.handle(request);
    expect_error(reply, 400, "bad_message");
    EXPECT_THAT(reply.body, HasSubstr("the path's device id must be 1 to 128 of")) << id;
    EXPECT_THAT(reply.body, HasSubstr("neither . nor ..")) << id;
  }
  EXPECT_EQ(world.engine.received(), 0u);
}

TEST(HttpTransport, OtherPathsAndMethods) {
  DeviceWorld world;
  for (const auto* path : {"/ota/gw-17", "/ota/gw-17/weather", "/ota/gw-17/request/", "/ota/a/b/request", "/ota/..",
                           "/ota/", "/elsewhere", ""}) {
    TestRequest request(Method::post, path);
    const auto reply = world.handle(request);
    expect_error(reply, 404, "bad_message");
    EXPECT_NE(reply.body.find("/request, progress, verify or next"), std::string::npos) << reply.body;
  }
  for (const auto method : {Method::get, Method::head, Method::put, Method::delete_, Method::other}) {
    TestRequest request(method, "/ota/gw-17/verify");
    const auto reply = world.handle(request);
    expect_error(reply, 405, "bad_message");
    EXPECT_EQ(header_of(reply, "Allow"), "POST");
  }
  TestRequest request(Method::post, "/ota/gw-17/next");
  EXPECT_EQ(header_of(world.handle(request), "Allow"), "GET");
  EXPECT_EQ(world.engine.received(), 0u);
}

TEST(HttpTransport, Credentials) {
  DeviceWorld world;
  TestRequest request(Method::post, "/ota/gw-17/request", {}, R"({"token":"in the body"})");
  world.handle(request);
  EXPECT_EQ(world.engine.last_who.token_digest, firmware::sha256("in the body"));
  EXPECT_FALSE(world.engine.last_who.certified);
  request.headers["Authorization"] = "bearer  in-the-header ";
  request.client = "gw-17";
  world.handle(request);
  EXPECT_EQ(world.engine.last_who.token_digest, firmware::sha256("in-the-header"));
  EXPECT_TRUE(world.engine.last_who.certified);
  request.client = "gw-18";
  world.handle(request);
  EXPECT_FALSE(world.engine.last_who.certified);
}

TEST(HttpTransport, WhetherATokenIsFitGoesWithTheOneThatCounts) {
  DeviceWorld world;
  TestRequest request(Method::post, "/ota/gw-17/request", {}, R"({"token":"sixteen-in-body!"})");
  world.handle(request);
  EXPECT_TRUE(world.engine.last_who.token_fit);
  request.headers["Authorization"] = "Bearer short";
  world.handle(request);
  EXPECT_EQ(world.engine.last_who.token_digest, firmware::sha256("short"));
  EXPECT_FALSE(world.engine.last_who.token_fit);
  request.headers["Authorization"] = "Bearer sixteen-in-head!";
  world.handle(request);
  EXPECT_EQ(world.engine.last_who.token_digest, firmware::sha256("sixteen-in-head!"));
  EXPECT_TRUE(world.engine.last_who.token_fit);
}

/// A long poll that has begun to wait.
struct WaitingPoll {
  explicit WaitingPoll(DeviceWorld& world) {
    world.begin(request, reply);
    world.io.poll();
  }
  TestRequest request{Method::get, "/ota/gw-17/next", "wait=60"};
  std::optional<http::Reply> reply;
};

void push_cancel(DeviceWorld& world) {
  world.notifier->push("gw-17", CancelAnswer{kTask, CancelReason::cancelled});
  world.io.restart();
  world.io.run();
}

TEST(DeviceNext, WithoutWaitThereIsNothing) {
  DeviceWorld world;
  TestRequest request(Method::get, "/ota/gw-17/next", "wait=0");
  EXPECT_EQ(world.handle(request).status, 204u);
}

TEST(HttpTransport, ErrorsFitEveryDevice) {
  DeviceWorld world;
  const std::string id(128, 'x');
  world.engine.allows = [&](const DeviceId&, const Credentials&) {
    return fail(Errc::not_authorized, "device " + id + " came with a wrong token: " + std::string(200, 'y'));
  };
  TestRequest request(Method::get, "/ota/" + id + "/next", "wait=0");
  request.headers["Authorization"] = "Bearer wrong-wrong-wrong!";
  for (int i = 0; i < 40; ++i) {  // refused by the engine, then by the throttle
    const auto reply = world.handle(request);
    EXPECT_LE(reply.body.size(), kMinMessageBytes) << reply.body;
    EXPECT_GE(reply.status, 400u);
  }
}

TEST(DeviceNext, RefusesOddWaits) {
  DeviceWorld world;
  for (const auto* query : {"wait=61", "wait=-1", "wait=1.5", "wait=", "wait=x", "wait=%zz", "wait=99999999999"}) {
    TestRequest request(Method::get, "/ota/gw-17/next", query);
    expect_error(world.handle(request), 400, "bad_message");
  }
}

TEST(DeviceNext, BringsWhatIsPushed) {
  DeviceWorld world;
  TestRequest request(Method::get, "/ota/gw-17/next", "wait=60");
  std::optional<http::Reply> reply;
  world.begin(request, reply);
  world.io.poll();
  ASSERT_FALSE(reply);
  world.notifier->push("gw-18", CancelAnswer{kTask, CancelReason::cancelled});
  world.notifier->send("gw-17", UpToDateAnswer{});
  world.notifier->push("gw-17", QueuedAnswer{kTask, 1, 1});
  world.io.poll();
  ASSERT_FALSE(reply) << "another device's, an answer, and a type that is not for here";
  world.notifier->push("gw-17", CancelAnswer{kTask, CancelReason::preempted});
  world.io.restart();
  world.io.run();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200u);
  EXPECT_EQ(reply->body, R"({"type":"cancel","task_id":"OTA_20261122_000042","reason":"preempted"})");
  EXPECT_EQ(world.published.back().topic, "/ota/gw-17/cancel") << "and by MQTT as well";
}

TEST(DeviceNext, BringsTheGateThatOpensAndTheOneThatCloses) {
  for (const auto& answer :
       {Answer(SuccessAnswer{kTask, "1.4.0", {}}), Answer(HoldAnswer{kTask, HoldReason::pace, {}, 60})}) {
    DeviceWorld world;
    WaitingPoll poll(world);
    world.notifier->send("gw-17", answer);
    world.io.poll();
    ASSERT_FALSE(poll.reply) << "the answer to a message over MQTT";
    world.notifier->push("gw-17", answer);
    world.io.restart();
    world.io.run();
    ASSERT_TRUE(poll.reply) << type_of(answer);
    EXPECT_EQ(json::parse(poll.reply->body)["type"], type_of(answer));
    EXPECT_EQ(world.published.back().topic, "/ota/gw-17/" + std::string(type_of(answer)));
  }
}

TEST(HttpTransport, AVerifyMayBeAnsweredWithHold) {
  DeviceWorld world;
  world.engine.answer = HoldAnswer{kTask, HoldReason::window, parse_rfc3339("2026-11-22T23:00:00Z"), 60};
  TestRequest request(Method::post, "/ota/gw-17/verify", "",
                      fmt::format(R"({{"task_id":"{}","checksum":"sha256:{}"}})", kTask.str(), std::string(64, 'a')));
  const auto reply = world.handle(request);
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(json::parse(reply.body)["until"], "2026-11-22T23:00:00Z");
}

TEST(DeviceNext, BringsWhatIsPushedRightBehindTheEnginesAnswer) {
  const Offer offer{kTask, *DeviceId::parse("gw-17"), "1", "", Priority::normal, 1, 3, {}, {10, 5}, {}, {}, {}};
  DeviceWorld world;
  world.engine.hold = true;
  TestRequest request(Method::get, "/ota/gw-17/next", "wait=60");
  std::optional<http::Reply> reply;
  world.begin(request, reply);
  world.io.poll();
  ASSERT_EQ(world.engine.listening.size(), 1u);
  const auto answer = std::move(world.engine.listening.front());
  world.engine.listening.clear();
  // As on the engine's thread: both before the waiting request gets its turn.
  answer(std::nullopt);
  world.notifier->push("gw-17", offer);
  world.io.restart();
  world.io.poll();
  ASSERT_TRUE(reply) << "the offer is lost";
  EXPECT_EQ(reply->status, 200u);
  EXPECT_NE(reply->body.find(R"("type":"metadata")"), std::string::npos) << reply->body;
}

TEST(DeviceNext, WhoIsRefusedNeitherHearsNorEndsAnothersWait) {
  DeviceWorld world;
  WaitingPoll first(world);
  world.engine.hold = true;
  WaitingPoll stranger(world);
  world.engine.listening.front()(fail(Errc::not_authorized, "wrong token"));
  world.io.poll();
  ASSERT_TRUE(stranger.reply);
  EXPECT_EQ(stranger.reply->status, 403u);
  ASSERT_FALSE(first.reply);
  push_cancel(world);
  ASSERT_TRUE(first.reply);
  EXPECT_EQ(first.reply->status, 200u);
}

TEST(DeviceNext, EndsWithItsTime) {
  DeviceWorld world;
  TestRequest request(Method::get, "/ota/gw-17/next", "wait=1");
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(world.handle(request).status, 204u);
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds{950});
}

TEST(DeviceNext, ANewerPollEndsTheOlder) {
  DeviceWorld world;
  WaitingPoll older(world);
  WaitingPoll newer(world);
  ASSERT_TRUE(older.reply);
  EXPECT_EQ(older.reply->status, 204u);
  ASSERT_FALSE(newer.reply);
  push_cancel(world);
  ASSERT_TRUE(newer.reply);
  EXPECT_EQ(newer.reply->status, 200u);
}

TEST(DeviceNext, StoppingLetsAllGo) {
  DeviceWorld world;
  WaitingPoll poll(world);
  world.notifier->stop_polls();
  world.io.restart();
  world.io.run();
  ASSERT_TRUE(poll.reply);
  EXPECT_EQ(poll.reply->status, 204u);
  EXPECT_EQ(world.handle(poll.request).status, 503u);
}

TEST(DeviceNext, ACutCoroutineLeavesNoLineBehind) {
  DeviceWorld world;
  bool ended = false;
  {
    boost::asio::io_context brief;
    TestRequest request(Method::get, "/ota/gw-17/next", "wait=60");
    boost::asio::co_spawn(brief, world.api->handle(request), [](std::exception_ptr, http::Reply) {});
    brief.poll();
  }
  const auto line = world.notifier->open_poll("gw-17", {}, [&](std::optional<std::string>) { ended = true; });
  ASSERT_TRUE(line);
  world.notifier->close_poll("gw-17", *line);
  EXPECT_TRUE(ended);
}

TEST(DeviceNext, AsksWhoItIs) {
  DeviceWorld world;
  world.engine.allows = [](const DeviceId& device, const Credentials& who) -> Result<void> {
    if (device.str() == "gw-17" && (who.certified || who.token_digest == firmware::sha256("secret"))) return {};
    return fail(Errc::not_authorized, "wrong token");
  };
  TestRequest request(Method::get, "/ota/gw-17/next", "wait=0");
  expect_error(world.handle(request), 403, "not_authorized");
  request.headers["Authorization"] = "Bearer secret";
  EXPECT_EQ(world.handle(request).status, 204u);
  request.headers.clear();
  request.client = "gw-17";
  EXPECT_EQ(world.handle(request).status, 204u);
}

TEST(DeviceNext, TellsAtOnceWhatWasNotBegun) {
  DeviceWorld world;
  world.engine.pending = CancelAnswer{{20261122, 1}, CancelReason::preempted};
  TestRequest request(Method::get, "/ota/gw-17/next", "wait=30");
  EXPECT_NE(world.handle(request).body.find("preempted"), std::string::npos);
}

TEST(DeviceNext, HearsOfACancelThatNobodyWaitedFor) {
  DeviceWorld world;
  world.notifier->push("gw-17", CancelAnswer{{20261122, 1}, CancelReason::cancelled});
  TestRequest request(Method::get, "/ota/gw-17/next", "wait=30");
  EXPECT_NE(world.handle(request).body.find("cancelled"), std::string::npos);
}

PayloadFor says(const char* text) {
  return [text](const std::string&) { return std::string(text); };
}

TEST(LongPolls, KeepTheLastOfADeviceWithinABound) {
  LongPolls lines;
  std::vector<std::string> got;
  const auto take = [&](std::optional<std::string> payload) { got.push_back(payload.value_or("none")); };
  for (std::size_t i = 0; i <= LongPolls::kMaxKept; ++i) lines.deliver(std::to_string(i), says("old"), true);
  lines.deliver("5", says("new"), true);
  lines.deliver("6", says("go on"), false);
  lines.open("5", {}, take);
  lines.open("6", {}, take);
  lines.open("0", {}, take);
  lines.stop();
  EXPECT_EQ(got[0], "new");
  EXPECT_EQ(got[1], "none") << "what came since voids it";
  EXPECT_EQ(got[2], "none") << "the oldest had to go";
}

TEST(DeviceNext, AKeptCancelEndsWithTheNextOffer) {
  const Offer offer{kTask, *DeviceId::parse("gw-17"), "1", "", Priority::normal, 1, 3, {}, {10, 5}, {}, {}, {}};
  const CancelAnswer cancel{kTask, CancelReason::preempted};
  const std::function<void(Notifier&)> tell_to_go_on[] = {[&](Notifier& notifier) { notifier.push("gw-17", offer); },
                                                          [&](Notifier& notifier) {
                                                            notifier.send("gw-17", RetryAnswer{offer, "stalled", 1});
                                                          },
                                                          [&](Notifier& notifier) { notifier.payload(offer, {}); }};
  for (const auto& tell : tell_to_go_on) {
    DeviceWorld world;
    world.notifier->push("gw-17", cancel);
    tell(*world.notifier);
    std::optional<std::string> told;
    const auto line =
        world.notifier->open_poll("gw-17", {}, [&](std::optional<std::string> payload) { told = payload; });
    ASSERT_TRUE(line);
    EXPECT_FALSE(told) << "a device that was told to go on must not be stopped by what was before";
    world.notifier->close_poll("gw-17", *line);
  }
}

TEST(LongPolls, AKeptOneIsToldOnce) {
  LongPolls lines;
  lines.deliver("d", says("x"), true);
  std::optional<std::string> first, second;
  const auto line = lines.open("d", {}, [&](std::optional<std::string> payload) { first = payload; });
  ASSERT_TRUE(line);
  EXPECT_EQ(first, "x");
  lines.close("d", *line);
  ASSERT_TRUE(lines.open("d", {}, [&](std::optional<std::string> payload) { second = payload; }));
  EXPECT_FALSE(second);
  EXPECT_TRUE(lines.waits("d"));
}

TEST(LongPolls, HaveABound) {
  LongPolls lines;
  int ended = 0;
  const auto count = [&](std::optional<std::string>) { ++ended; };
  for (std::size_t i = 0; i < LongPolls::kMaxPolls; ++i) ASSERT_TRUE(lines.open(std::to_string(i), {}, count));
  EXPECT_FALSE(lines.open("one more", {}, count));
  EXPECT_TRUE(lines.open("0", {}, count)) << "a device that is there may come anew";
  EXPECT_EQ(ended, 1);
  lines.deliver("1", says("x"), false);
  EXPECT_TRUE(lines.open("one more", {}, count));
  lines.stop();
  EXPECT_EQ(ended, static_cast<int>(LongPolls::kMaxPolls) + 2);
}

TEST(LongPolls, ClosingAnOldLineLeavesTheNewOne) {
  LongPolls lines;
  std::optional<std::string> got;
  const auto old = lines.open("d", {}, [](std::optional<std::string>) {});
  ASSERT_TRUE(lines.open("d", {}, [&](std::optional<std::string> payload) { got = payload; }));
  lines.close("d", *old);
  lines.deliver("d", says("x"), false);
  EXPECT_EQ(got, "x");
  lines.deliver("d", says("y"), false);
  EXPECT_EQ(got, "x");
}

}  // namespace
}  // namespace ota::device
