// The caps with a clock in the test's hand: rates, shares, urgency.
#include "http/bandwidth_limiter.hpp"

#include <gtest/gtest.h>

#include <map>

#include "server_fixture.hpp"

namespace ota::http {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kChunk = 512 * 1024;

/// Connections that want more as soon as they got something, on one clock.
class BandwidthLimiterTest : public ::testing::Test {
 protected:
  void download(int connection, Bandwidth bandwidth, std::size_t left = ~std::size_t{0} / 2) {
    if (left == 0) return;
    limiter.acquire(bandwidth, std::min(left, kChunk), now, [this, connection, bandwidth, left](std::size_t size) {
      got[connection] += size;
      largest = std::max(largest, size);
      again.push_back([this, connection, bandwidth, left, size] { download(connection, bandwidth, left - size); });
    });
  }
  void run(std::chrono::milliseconds time, std::chrono::milliseconds step = BandwidthLimiter::kRefillEvery) {
    for (const auto end = now + time; now < end; now += step) {
      turning = limiter.refill(now);
      while (!again.empty())
        for (auto& ask : std::exchange(again, {})) ask();
    }
  }
  double rate(int connection, std::chrono::milliseconds time) {
    return static_cast<double>(got[connection]) / std::chrono::duration<double>(time).count();
  }

  int woken = 0;
  bool turning = false;
  BandwidthLimiter limiter{[this] { ++woken; }};
  BandwidthLimiter::Time now = BandwidthLimiter::Time{} + 1h;
  std::map<int, std::size_t> got;
  std::size_t largest = 0;
  std::vector<std::function<void()>> again;
};

TEST_F(BandwidthLimiterTest, IsOffUntilACapIsSet) {
  EXPECT_FALSE(limiter.limits());
  limiter.set({1000, 0}, now);
  EXPECT_TRUE(limiter.limits());
  limiter.set({0, 1000}, now);
  EXPECT_TRUE(limiter.limits());
  limiter.set({}, now);
  EXPECT_FALSE(limiter.limits());
}

TEST_F(BandwidthLimiterTest, KeepsTheCapOnAllAtAnyRateAndStep) {
  for (const std::uint64_t cap : {1'000ull, 8'000ull, 1'000'000ull, 100'000'000ull, 2'000'000'000ull}) {
    for (const auto step : {10ms, 130ms}) {  // on time, and on a busy machine
      SCOPED_TRACE(testing::Message() << cap << " bytes/s, a turn each " << step.count() << " ms");
      BandwidthLimiter fresh{[] {}};
      std::uint64_t sent = 0;
      std::function<void(std::size_t)> take;
      bool idle = false;
      take = [&](std::size_t size) {
        sent += size;
        idle = true;
      };
      fresh.set({cap, 0}, now);
      const auto start = now;
      fresh.acquire({1, false}, kChunk, now, take);
      while (now < start + 8s) {
        while (idle) {
          idle = false;
          fresh.acquire({1, false}, kChunk, now, take);
        }
        now += step;
        fresh.refill(now);
      }
      EXPECT_NEAR(static_cast<double>(sent) / 8.0, static_cast<double>(cap), static_cast<double>(cap) * 0.07);
    }
  }
}

TEST_F(BandwidthLimiterTest, TwoDevicesShareAndOneWithFourConnectionsGetsNoMore) {
  limiter.set({1'000'000, 0}, now);
  download(1, {1, false});
  for (const int connection : {2, 3, 4, 5}) download(connection, {2, false});
  run(4s);
  EXPECT_NEAR(rate(1, 4s), 500'000, 50'000);
  EXPECT_NEAR(rate(2, 4s) + rate(3, 4s) + rate(4, 4s) + rate(5, 4s), 500'000, 50'000);
}

TEST_F(BandwidthLimiterTest, EachDeviceHasItsOwnCap) {
  limiter.set({0, 100'000}, now);
  download(1, {1, false});
  download(2, {1, false});
  download(3, {2, true});
  run(4s);
  EXPECT_NEAR(rate(1, 4s) + rate(2, 4s), 100'000, 10'000);
  EXPECT_NEAR(rate(3, 4s), 100'000, 10'000);
}

TEST_F(BandwidthLimiterTest, AKeyMayHaveALimitOfItsOwnWithAndWithoutCaps) {
  const Bandwidth slowed{1, false, 64'000};
  EXPECT_TRUE(limiter.limits(slowed));
  EXPECT_FALSE(limiter.limits({2, false}));
  download(1, slowed);
  download(2, slowed);
  run(4s);
  EXPECT_NEAR(rate(1, 4s) + rate(2, 4s), 64'000, 8'000) << "all connections of the key together";
  got.clear();
  limiter.set({1'000'000, 500'000}, now);
  download(3, {2, false});
  run(4s);
  EXPECT_NEAR(rate(1, 4s) + rate(2, 4s), 64'000, 8'000);
  EXPECT_NEAR(rate(3, 4s), 500'000, 50'000) << "others have what they had";
  got.clear();
  limiter.set({0, 10'000}, now);
  run(8s);
  EXPECT_NEAR(rate(1, 8s) + rate(2, 8s), 10'000, 2'000) << "the lower one counts";
}

TEST_F(BandwidthLimiterTest, UrgentOnesComeFirstAndRoutineOnesNeverStarve) {
  limiter.set({1'600'000, 0}, now);
  for (int routine = 10; routine < 20; ++routine) download(routine, {std::uint64_t(routine), false});
  download(1, {1, true});
  run(24s);
  EXPECT_NEAR(rate(1, 24s), 1'500'000, 100'000);
  for (int routine = 10; routine < 20; ++routine) EXPECT_GT(got[routine], 0u) << routine;
}

TEST_F(BandwidthLimiterTest, AnUrgentOneHeldByItsOwnCapLeavesTheRestToOthers) {
  limiter.set({1'000'000, 300'000}, now);
  download(1, {1, true});
  for (const int routine : {2, 3, 4}) download(routine, {std::uint64_t(routine), false});
  run(4s);
  EXPECT_NEAR(rate(1, 4s), 300'000, 30'000);
  EXPECT_NEAR(rate(2, 4s) + rate(3, 4s) + rate(4, 4s), 700'000, 70'000);
}

TEST_F(BandwidthLimiterTest, RoutineOnesGetAllAgainOnceTheUrgentOneIsDone) {
  limiter.set({1'000'000, 0}, now);
  download(1, {1, true}, 500'000);
  download(2, {2, false});
  run(1s);
  EXPECT_EQ(got[1], 500'000u);
  got.clear();
  run(2s);
  EXPECT_NEAR(rate(2, 2s), 1'000'000, 80'000);
}

TEST_F(BandwidthLimiterTest, LowCapsGoOutInSmallPieces) {
  limiter.set({0, 8'000}, now);  // 64 kbit/s
  download(1, {1, false});
  run(4s);
  EXPECT_LE(largest, 1'000u);
  EXPECT_NEAR(rate(1, 4s), 8'000, 800);
}

TEST_F(BandwidthLimiterTest, ACapThatGoesLetsEverybodyGo) {
  limiter.set({1'000, 0}, now);
  for (int connection = 0; connection < 50; ++connection)
    download(connection, {std::uint64_t(connection), false}, kChunk);
  run(100ms);
  EXPECT_TRUE(turning);
  limiter.set({}, now);
  run(20ms);
  for (int connection = 0; connection < 50; ++connection) EXPECT_GT(got[connection], 0u) << connection;
}

TEST_F(BandwidthLimiterTest, SleepsWhenNobodyWaits) {
  limiter.set({1'000'000, 1'000'000}, now);
  EXPECT_EQ(woken, 0);
  download(1, {1, false}, 300'000);
  EXPECT_EQ(woken, 1);
  run(2s);
  EXPECT_EQ(got[1], 300'000u);
  EXPECT_FALSE(turning);
  woken = 0;
  download(1, {1, false}, 1);
  EXPECT_EQ(woken, 1);
}

/// The caps on real sockets, loosely timed.
class PacedServer : public ::testing::Test {
 protected:
  static constexpr std::size_t kLength = 1'000'000;

  test::RawClient::Answer get(const std::string& fields = {}) {
    return client.ask("GET /f HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
  }

  const std::string content = test::pattern(kLength);
  std::shared_ptr<test::TestFile> file = std::make_shared<test::TestFile>(content);
  test::TestServer server{[this](Request&) -> boost::asio::awaitable<Reply> {
    Reply reply;
    FileBody body;
    body.source = file;
    body.length = kLength;
    body.etag = "\"tag\"";
    reply.file = std::move(body);
    co_return reply;
  }};
  test::RawClient client{server.address};
};

TEST_F(PacedServer, SendsTheSameBytesMoreSlowly) {
  server.server->set_rates({0, 2 * kLength});
  const auto start = std::chrono::steady_clock::now();
  const auto answer = get();
  EXPECT_GE(std::chrono::steady_clock::now() - start, 350ms);
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body == content);
  const auto parts = get("Range: bytes=0-99999,200000-299999\r\n");
  EXPECT_EQ(parts.status, 206);
  EXPECT_NE(parts.body.find(content.substr(200'000, 100'000)), std::string::npos);
}

TEST_F(PacedServer, GoesOnAtOnceWhenTheCapGoes) {
  server.server->set_rates({1'000, 0});  // would take a quarter of an hour
  client.send("GET /f HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(test::eventually([&] { return server.server->counters().file_bytes_sent > 0; }));
  server.server->set_rates({});
  EXPECT_TRUE(client.receive().body == content);
}

TEST_F(PacedServer, OtherWaysShareTheCap) {
  EXPECT_TRUE(server.server->may_send({8, false}, kLength, nullptr)) << "no cap";
  server.server->set_rates({2 * kLength, 0});
  std::atomic<std::size_t> elsewhere{0};
  std::function<void()> ask = [&] {
    server.server->may_send({8, false}, kLength - elsewhere, [&](std::size_t granted) {
      if ((elsewhere += granted) < kLength) ask();
    });
  };
  const auto start = std::chrono::steady_clock::now();
  ask();
  EXPECT_TRUE(get().body == content);
  EXPECT_TRUE(test::eventually([&] { return elsewhere == kLength; }));
  EXPECT_GE(std::chrono::steady_clock::now() - start, 800ms) << "both together in the second that the cap says";
}

TEST(PacedServerLife, HeldBackIsNotIdle) {
  const std::string content = test::pattern(6'000);
  const auto file = std::make_shared<test::TestFile>(content);
  ServerOptions options = test::TestServer::defaults();
  options.idle_timeout = 1s;
  test::TestServer server(
      [&](Request&) -> boost::asio::awaitable<Reply> {
        Reply reply;
        FileBody body;
        body.source = file;
        body.length = content.size();
        reply.file = std::move(body);
        co_return reply;
      },
      options);
  server.server->set_rates({300, 0});  // a piece each 1.7 s
  test::RawClient client(server.address);
  client.send("GET /f HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(test::eventually([&] { return server.server->counters().file_bytes_sent >= 1'536; }));
  server.server->set_rates({});
  EXPECT_TRUE(client.receive().body == content);
}

TEST_F(PacedServer, StopsWithDownloadsHeldBack) {
  server.server->set_rates({1'000, 0});
  client.send("GET /f HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(test::eventually([&] { return server.server->counters().file_bytes_sent > 0; }));
  const auto start = std::chrono::steady_clock::now();
  server.server->stop(50ms);
  EXPECT_LT(std::chrono::steady_clock::now() - start, test::kPatience);
  EXPECT_EQ(server.server->counters().connections_open, 0u);
}

}  // namespace
}  // namespace ota::http
