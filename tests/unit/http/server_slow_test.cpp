// Peers that are slow and never pause are served to the end; those that take nothing are cut.
#include <netinet/tcp.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "http/deadline.hpp"
#include "server_fixture.hpp"

namespace ota::http {
namespace {

using namespace test;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kIdle{2};

/// A peer with small segments and a small receive buffer, so that its window opens in small steps.
class SlowReader {
 public:
  SlowReader(const std::string& address, std::string_view request) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int segment = 1400, buffer = 4096;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    EXPECT_TRUE(ask(request));
  }
  ~SlowReader() { ::close(socket_); }
  SlowReader(const SlowReader&) = delete;
  SlowReader& operator=(const SlowReader&) = delete;

  bool ask(std::string_view request) {
    return ::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size());
  }

  /// Reads `rate` bytes a second in small pieces until so many are there or the connection ended.
  std::size_t read(std::size_t most, std::size_t rate) {
    std::string piece(rate / 10, '\0');
    std::size_t got = 0;
    const auto begin = Clock::now();
    for (int turn = 0; got < most; ++turn) {
      std::this_thread::sleep_until(begin + turn * 100ms);
      const auto count = ::recv(socket_, piece.data(), std::min(piece.size(), most - got), 0);
      if (count <= 0) break;
      got += static_cast<std::size_t>(count);
    }
    return got;
  }

 private:
  int socket_;
};

/// A piece, and nothing after it for long.
class OnePiece final : public BodyStream {
 public:
  explicit OnePiece(std::string piece) : piece_(std::move(piece)) {}
  boost::asio::awaitable<std::string> next() override {
    if (piece_.empty()) {
      boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, 1h);
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    co_return std::exchange(piece_, {});
  }

 private:
  std::string piece_;
};

class Slow : public ::testing::Test {
 protected:
  static ServerOptions options() {
    auto options = TestServer::defaults();
    options.idle_timeout = kIdle;
    return options;
  }

  static std::string get(const std::string& path, const std::string& fields = {}) {
    return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
  }
  /// All at once; expects each to get `most`.
  void read_slowly(const std::vector<std::string>& requests, std::size_t most, std::size_t rate) {
    std::vector<std::thread> threads;
    for (const auto& request : requests) {
      auto& reader = *readers.emplace_back(std::make_unique<SlowReader>(server.address, request));
      threads.emplace_back([&reader, &request, most, rate] { EXPECT_EQ(reader.read(most, rate), most) << request; });
    }
    for (auto& thread : threads) thread.join();
  }
  std::uint64_t open_now() const { return server.server->counters().connections_open; }

  static constexpr std::size_t kSize = 8 << 20;  // more than the kernel's buffers hold
  const std::string content = pattern(kSize);
  std::shared_ptr<TestFile> file = std::make_shared<TestFile>(content);
  const Handler answer = [this](Request& request) -> boost::asio::awaitable<Reply> {
    Reply reply;
    if (request.path() == "/text" || request.path() == "/long") {
      reply.content_type = "text/plain";
      reply.body = request.path() == "/text" ? content.substr(0, 40'000) : content;
    } else if (request.path() == "/stream" || request.path() == "/long-stream") {
      reply.content_type = "text/plain";
      reply.stream = std::make_shared<OnePiece>(request.path() == "/stream" ? content.substr(0, 40'000) : content);
    } else {
      FileBody body;
      body.source = file;
      body.length = request.path() == "/small" ? 40'000 : kSize;
      reply.file = std::move(body);
    }
    co_return reply;
  };
  TestServer server{answer, options()};
  std::vector<std::unique_ptr<SlowReader>> readers;
};

TEST_F(Slow, ReadersThatNeverPauseAreServed) {
  constexpr std::size_t kRate = 2'500;
  const std::vector<std::string> requests = {get("/f"), get("/f", "Connection: close\r\n"),
                                             get("/f", "Range: bytes=5-3000000\r\n"),
                                             get("/f", "Range: bytes=0-9,100-3000000,4000000-4000009\r\n")};
  read_slowly(requests, 5 * kIdle.count() * kRate, kRate);
  // What is in the kernel's buffers would still come if it had hung up.
  EXPECT_EQ(open_now(), requests.size());
}

TEST_F(Slow, RepliesThatTheKernelTookWholeArriveWhole) {
  // The server is done with these long before their reader is.
  const std::vector<std::string> requests = {get("/small"), get("/text"), get("/small", "Connection: close\r\n"),
                                             get("/text", "Connection: close\r\n")};
  read_slowly(requests, 40'000, 6'000);
  EXPECT_GE(open_now(), 2u) << "those that are kept alive";
  for (const std::size_t kept : {0u, 1u}) {
    EXPECT_TRUE(readers[kept]->ask(get("/small"))) << requests[kept];
    EXPECT_EQ(readers[kept]->read(10'000, 60'000), 10'000u) << requests[kept];
  }
}

TEST_F(Slow, ReadersThatTakeNothingAreCut) {
  for (const auto& request : {get("/f"), get("/small"), get("/text"), get("/small", "Connection: close\r\n")}) {
    SlowReader reader(server.address, request);
    ASSERT_TRUE(eventually([&] { return open_now() == 1; }));
    const auto from = Clock::now();
    EXPECT_TRUE(eventually([&] { return open_now() == 0; })) << request;
    EXPECT_GT(Clock::now() - from, kIdle / 2) << request;
    EXPECT_LT(Clock::now() - from, 5 * kIdle) << request;
    EXPECT_LT(reader.read(100'000, 1'000'000), 40'000u) << "what it didn't take is thrown away: " << request;
  }
}

/// Connections that ask for something, read nothing of it and hold all places.
class Stuck : public Slow {
 protected:
  void expect_a_place(const std::string& wanted, bool proven) {
    auto options = TestServer::defaults();
    options.max_connections = 8;
    options.threads = 1;
    TestServer full(answer, options);
    const auto head = "HEAD /text HTTP/1.1\r\nHost: x\r\n\r\n";
    // It is the eldest, and reads all the time.
    SlowReader steady(full.address, get("/f"));
    std::vector<std::unique_ptr<SlowReader>> all_stuck;
    constexpr std::size_t kRate = 2'000;
    std::size_t got = 0;
    std::thread reading([&] { got = steady.read(14 * kRate, kRate); });
    for (int i = 0; i < 7; ++i) {
      auto& stuck = *all_stuck.emplace_back(std::make_unique<SlowReader>(full.address, proven ? head : wanted));
      if (proven) {
        stuck.read(10, 100);
        EXPECT_TRUE(stuck.ask(wanted));
      }
    }
    EXPECT_TRUE(eventually([&] { return full.server->counters().requests_total == (proven ? 15u : 8u); }));
    const auto from = Clock::now();
    EXPECT_EQ(RawClient(full.address).ask(head, true).status, 503) << "they have some seconds";
    EXPECT_TRUE(eventually([&] { return RawClient(full.address).ask(head, true).status == 200; })) << wanted;
    EXPECT_LT(Clock::now() - from, 15s);
    // Newcomers that are half-open don't push each other out while stuck ones are there.
    RawClient first(full.address), second(full.address);
    EXPECT_EQ(second.ask(head, true).status, 200);
    EXPECT_EQ(first.ask(head, true).status, 200);
    reading.join();
    EXPECT_EQ(got, 14 * kRate);
    EXPECT_EQ(steady.read(1'000, 10'000), 1'000u);
    EXPECT_GT(full.server->counters().connections_open, 3u) << "no more went than places were wanted";
  }
};

TEST_F(Stuck, RepliesGiveWay) {
  std::vector<std::thread> threads;
  for (const auto& wanted : {get("/f"), get("/long"), get("/small", "Connection: close\r\n"), get("/stream"),
                             get("/long-stream")})
    threads.emplace_back([this, wanted] { expect_a_place(wanted, false); });
  threads.emplace_back([this] { expect_a_place(get("/f"), true); });
  for (auto& thread : threads) thread.join();
}

TEST(DeadlineOf, WhoTakesNothingAfterTheBeginIsStalled) {
  std::uint32_t now = 1;
  Deadline deadline(now, 600, 0.1);
  EXPECT_FALSE(deadline.stalled());
  deadline.touch();
  deadline.moved(60'000);  // its buffers
  for (int tick = 0; tick < 99; ++tick, ++now) EXPECT_FALSE(deadline.stalled()) << tick;
  now += 1;
  EXPECT_TRUE(deadline.stalled());
  deadline.suspend();
  EXPECT_FALSE(deadline.stalled()) << "it isn't waited for";
  now += 600;
  deadline.touch();
  now += 20;
  deadline.suspend();
  now += 600;
  deadline.resume();
  now += 70;
  EXPECT_FALSE(deadline.stalled()) << "only its own time counts";
  now += 10;
  EXPECT_TRUE(deadline.stalled());
}

TEST(DeadlineOf, WhoReadsAtTheLeastRateIsNotStalledOnceItWasSeenToRead) {
  for (const unsigned step : {64u, 700u, 1'400u, 2'800u}) {
    std::uint32_t now = 1;
    Deadline deadline(now, 600, 0.1);
    deadline.touch();
    deadline.moved(4'096);
    unsigned taken = 0, stalled_after = 0;
    for (unsigned tick = 1; tick < 6'000; ++tick) {
      ++now;
      if (tick * 64 / 10 >= taken + step) {
        taken += step;
        deadline.moved(step);
      }
      if (deadline.stalled()) stalled_after = tick;
    }
    EXPECT_LE(stalled_after, step * 10 / 64 + 1) << step;
    EXPECT_FALSE(deadline.passed());
  }
}

TEST(DeadlineOf, ABurstPaysForTheSilenceBehindIt) {
  std::uint32_t now = 1;
  Deadline deadline(now, 60, 1.0);
  deadline.touch();
  // 64 bytes a second, which the peer's receive window turns into steps of 4,096 bytes.
  for (int step = 0; step < 100; ++step) {
    deadline.moved(4'096);
    for (int tick = 0; tick < 64; ++tick, ++now) ASSERT_FALSE(deadline.passed()) << now;
  }
  now += 2 * 60;
  EXPECT_TRUE(deadline.passed()) << "no burst pays for more than two spans";
}

TEST(DeadlineOf, WhoMovesNothingHasOneSpan) {
  std::uint32_t now = 1;
  Deadline deadline(now, 60, 1.0);
  deadline.touch();
  now += 60;
  EXPECT_FALSE(deadline.passed());
  now += 1;
  EXPECT_TRUE(deadline.passed());
}

TEST(DeadlineOf, WhatMovesWhileNobodyWaitsPaysForNothing) {
  std::uint32_t now = 1;
  Deadline deadline(now, 60, 1.0);
  deadline.moved(1'000'000);
  deadline.touch();
  deadline.suspend();
  deadline.moved(1'000'000);
  deadline.resume();
  now += 61;
  EXPECT_TRUE(deadline.passed());
}

}  // namespace
}  // namespace ota::http
