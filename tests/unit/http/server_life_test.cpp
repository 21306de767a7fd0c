// How connections begin and end: timeouts, limits, stopping, faults of the peer.
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <future>
#include <mutex>

#include "http/deadline.hpp"
#include "ota/http/await.hpp"
#include "server_fixture.hpp"

namespace ota::http {
namespace {

using namespace test;
using Clock = std::chrono::steady_clock;

constexpr const char* kGet = "GET /f HTTP/1.1\r\nHost: x\r\n\r\n";

ServerOptions impatient() {
  auto options = TestServer::defaults();
  options.idle_timeout = 1s;
  return options;
}

/// What handlers of /wait hold on to; answered by the test, or never.
struct Held {
  std::mutex mutex;
  std::vector<std::function<void(int)>> waiting;

  void add(std::function<void(int)> done) {
    const std::lock_guard lock(mutex);
    waiting.push_back(std::move(done));
  }
  std::size_t size() {
    const std::lock_guard lock(mutex);
    return waiting.size();
  }
  void answer(int value) {
    std::vector<std::function<void(int)>> taken;
    {
      const std::lock_guard lock(mutex);
      taken.swap(waiting);
    }
    for (auto& done : taken) done(value);
  }
};

class Life : public ::testing::Test {
 protected:
  void serve(ServerOptions options = TestServer::defaults()) {
    server = std::make_unique<TestServer>(handler(), options);
  }

  Handler handler() {
    return [this](Request& request) -> boost::asio::awaitable<Reply> {
      Reply reply;
      if (request.path() == "/wait") {
        std::function<void(std::function<void(int)>)> start = [held = held](std::function<void(int)> done) {
          held->add(std::move(done));
        };
        auto waiting = await_call<int>(std::move(start));
        const int value = co_await std::move(waiting);
        reply.content_type = "text/plain";
        reply.body = std::to_string(value);
      } else if (request.path() == "/block") {
        blocked = true;
        unblock.get_future().wait();
      } else if (request.path() == "/sleep") {
        boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, 1h);
        co_await timer.async_wait(boost::asio::use_awaitable);
      } else if (request.path() == "/upload") {
        auto reading = request.read_all(1 << 20);
        const Result<std::string> body = co_await std::move(reading);
        upload_error = body ? Errc::server_fault : body.error().code;
        uploads = uploads + 1;
      } else {
        FileBody body;
        body.source = file;
        body.length = kSize;
        reply.file = std::move(body);
      }
      co_return reply;
    };
  }

  /// So many connections that wait for their replies.
  void be_busy(std::size_t count) {
    while (busy_ones.size() < count) {
      busy_ones.push_back(std::make_unique<RawClient>(server->address));
      busy_ones.back()->send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    ASSERT_TRUE(eventually([&] { return held->size() == count; }));
  }

  bool open_is_now(std::size_t count) { return server->server->counters().connections_open == count; }
  bool open_is(std::size_t count) {
    return eventually([this, count] { return open_is_now(count); });
  }

  static constexpr std::size_t kSize = 32 << 20;
  std::shared_ptr<Held> held = std::make_shared<Held>();
  std::shared_ptr<TestFile> file = std::make_shared<TestFile>(std::string(kSize, 'f'));
  std::atomic<Errc> upload_error{Errc::server_fault};
  std::atomic<int> uploads{0};
  std::atomic<bool> blocked{false};
  std::promise<void> unblock;
  std::unique_ptr<TestServer> server;
  std::vector<std::unique_ptr<RawClient>> busy_ones;
};

TEST_F(Life, IdleConnectionsAreClosed) {
  serve(impatient());
  const auto from = Clock::now();
  RawClient silent(server->address);
  RawClient used(server->address);
  EXPECT_EQ(used.ask("GET /f HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\n\r\n").status, 206);
  EXPECT_TRUE(silent.ended());
  EXPECT_TRUE(used.ended());
  EXPECT_GT(Clock::now() - from, 900ms);
  EXPECT_TRUE(open_is(0));
}

TEST_F(Life, AHeadThatTricklesInIsCutInTime) {
  serve(impatient());
  RawClient client(server->address);
  client.send("GET /f HTTP/1.1\r\n");
  std::thread trickle([&client] {
    for (int i = 0; i < 800 && client.send("A: b\r\n"[i % 6] == 'A' ? "A" : std::string(1, "A: b\r\n"[i % 6])); ++i) {
      std::this_thread::sleep_for(50ms);
    }
  });
  client.rest();  // within kPatience, which the trickle outlasts
  trickle.join();
}

TEST_F(Life, HeadsHaveATimeOfTheirOwn) {
  auto options = TestServer::defaults();
  options.idle_timeout = 3600s;
  options.head_timeout = 1s;
  serve(options);
  RawClient used(server->address);
  ASSERT_EQ(used.ask("HEAD /f HTTP/1.1\r\nHost: x\r\n\r\n", true).status, 200);
  RawClient half(server->address), second(server->address);
  half.send("GET /f HTTP/1.1\r\nHos");
  ASSERT_EQ(second.ask("HEAD /f HTTP/1.1\r\nHost: x\r\n\r\nGET /f", true).status, 200);
  EXPECT_TRUE(half.ended());
  EXPECT_TRUE(second.ended());
  EXPECT_EQ(used.ask("HEAD /f HTTP/1.1\r\nHost: x\r\n\r\n", true).status, 200) << "that is for heads alone";
}

TEST_F(Life, ABodyThatStopsIsCutAndTheHandlerTold) {
  serve(impatient());
  RawClient client(server->address);
  client.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  client.rest();
  ASSERT_TRUE(eventually([this] { return uploads == 1; }));
  EXPECT_EQ(upload_error, Errc::cancelled);
}

TEST_F(Life, ABodyThatComesSlowlyIsTaken) {
  auto options = impatient();
  options.idle_timeout = 2s;
  serve(options);
  RawClient client(server->address);
  client.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n");
  for (int i = 0; i < 8; ++i) {
    std::this_thread::sleep_for(350ms);
    client.send("x");
  }
  EXPECT_EQ(client.receive().status, 200);
}

TEST_F(Life, ABodyThatNeverComesToAnEndIsCut) {
  serve(impatient());
  RawClient client(server->address);
  client.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
  std::thread trickle([&client] {
    for (int i = 0; i < 800 && client.send("x"); ++i) std::this_thread::sleep_for(50ms);
  });
  client.rest();  // a byte now and then is no progress
  trickle.join();
  ASSERT_TRUE(eventually([this] { return uploads == 1; }));
  EXPECT_EQ(upload_error, Errc::cancelled);
}

TEST_F(Life, ChunksThatNeverComeToAnEndAreCut) {
  serve(impatient());
  RawClient client(server->address);
  client.send("POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::thread trickle([&client] {
    for (int i = 0; i < 400 && client.send("1\r\nx\r\n"); ++i) std::this_thread::sleep_for(150ms);
  });
  client.rest();
  trickle.join();
}

TEST_F(Life, ReadersThatTakeABitNowAndThenAreCut) {
  serve(impatient());
  RawClient client(server->address, 2048);
  client.send(kGet);
  const auto from = Clock::now();
  while (Clock::now() - from < kPatience && !open_is_now(0) && client.take(2)) std::this_thread::sleep_for(100ms);
  EXPECT_TRUE(open_is(0)) << "the connection is still open";
  EXPECT_LT(Clock::now() - from, kPatience);
}

TEST(DeadlineOf, AnySpeedAboveTheLeastIsEnough) {
  std::uint32_t now = 1;
  Deadline deadline(now, 20, 0.05);  // a span of a second
  deadline.touch();
  for (; now < 10'000; ++now) {
    deadline.moved(5);  // 100 bytes/s
    ASSERT_FALSE(deadline.passed()) << now;
  }
  while (!deadline.passed() && now < 11'000) {
    ++now;
    if (now % 10 == 0) deadline.moved(1);
  }
  EXPECT_GT(now, 10'030u);
  EXPECT_LT(now, 10'060u) << "what went before is no credit";
}

TEST(DeadlineOf, TimeThatIsNotThePeersDoesNotCount) {
  std::uint32_t now = 1;
  Deadline deadline(now, 20, 0.05);
  deadline.touch();
  deadline.suspend();
  now += 1000;
  EXPECT_FALSE(deadline.passed());
  deadline.resume();
  now += 19;
  EXPECT_FALSE(deadline.passed());
  now += 2;
  EXPECT_TRUE(deadline.passed());
}

TEST_F(Life, ReadersThatStopAreCut) {
  serve(impatient());
  RawClient client(server->address, 4096);
  client.send(kGet);
  EXPECT_TRUE(open_is(1));
  EXPECT_TRUE(open_is(0));
  EXPECT_LT(server->server->counters().file_bytes_sent, kSize);
}

TEST_F(Life, HandlersMayTakeLongerThanTheTimeout) {
  serve(impatient());
  RawClient client(server->address);
  client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(eventually([this] { return held->size() == 1; }));
  RawClient idle(server->address);
  EXPECT_TRUE(idle.ended()) << "so the timeout is over for both";
  held->answer(7);
  EXPECT_EQ(client.receive().body, "7");
}

TEST_F(Life, OneConnectionTooManyIs503) {
  auto options = TestServer::defaults();
  options.max_connections = 3;
  serve(options);
  ASSERT_NO_FATAL_FAILURE(be_busy(3));
  RawClient late(server->address);
  const auto answer = late.ask(kGet);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("Connection"), "close");
  EXPECT_NE(answer.field("Retry-After"), "");
  EXPECT_EQ(server->server->counters().connections_refused, 1u);
  held->answer(1);
  for (const auto& client : busy_ones) EXPECT_EQ(client->receive().body, "1") << "what is under way stays";
  EXPECT_EQ(RawClient(server->address).ask("HEAD /f HTTP/1.1\r\nHost: x\r\n\r\n", true).status, 200);
}

TEST_F(Life, ANewcomerTakesThePlaceOfTheLongestIdle) {
  constexpr const char* kHead = "HEAD /f HTTP/1.1\r\nHost: x\r\n\r\n";
  auto options = TestServer::defaults();
  options.max_connections = 4;
  options.threads = 1;
  serve(options);
  RawClient busy(server->address), half(server->address), first(server->address), second(server->address);
  busy.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  half.send("GET /f HTT");
  ASSERT_TRUE(eventually([this] { return held->size() == 1; }));
  ASSERT_EQ(first.ask(kHead, true).status, 200);
  ASSERT_EQ(second.ask(kHead, true).status, 200);
  ASSERT_EQ(first.ask(kHead, true).status, 200) << "the second is idle for longer now";
  RawClient third(server->address);
  EXPECT_EQ(third.ask(kHead, true).status, 200);
  EXPECT_TRUE(second.ended());
  RawClient fourth(server->address);
  EXPECT_EQ(fourth.ask(kHead, true).status, 200);
  EXPECT_TRUE(first.ended());
  EXPECT_EQ(third.ask(kHead, true).status, 200) << "it is there still";
  EXPECT_EQ(server->server->counters().connections_refused, 0u);
  half.send("P/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(half.receive().status, 200);
  held->answer(7);
  EXPECT_EQ(busy.receive().body, "7");
}

TEST_F(Life, ConnectionsThatNeverFinishARequestGiveWayFirst) {
  constexpr const char* kHead = "HEAD /f HTTP/1.1\r\nHost: x\r\n\r\n";
  for (const char* half :
       {"", "GET /f HTTP/1.1\r\nHost", "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
        "POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha"}) {
    for (const unsigned threads : {1u, 3u}) {
      SCOPED_TRACE(half);
      auto options = TestServer::defaults();
      options.max_connections = 12;
      options.threads = threads;
      serve(options);
      RawClient used(server->address);
      ASSERT_EQ(used.ask(kHead, true).status, 200);
      std::vector<std::unique_ptr<RawClient>> halves;
      for (int i = 0; i < 11; ++i) {
        halves.push_back(std::make_unique<RawClient>(server->address));
        halves.back()->send(half);
        ASSERT_TRUE(open_is(2u + static_cast<unsigned>(i)));
      }
      // So few that there are more halves than others even if none that left was noticed yet.
      for (int i = 0; i < 5; ++i) {
        RawClient newcomer(server->address);
        ASSERT_EQ(newcomer.ask(kHead, true).status, 200) << i;
      }
      if (threads == 1) {
        EXPECT_TRUE(halves.front()->ended()) << "the eldest";
      }
      EXPECT_EQ(used.ask(kHead, true).status, 200) << "who finished a request stays";
      EXPECT_EQ(server->server->counters().connections_refused, 0u);
      server.reset();
    }
  }
}

TEST_F(Life, ConnectionsThatAreNotStartedYetCountAsUnproven) {
  constexpr const char* kHead = "HEAD /f HTTP/1.1\r\nHost: x\r\n\r\n";
  auto options = TestServer::defaults();
  options.max_connections = 12;
  serve(options);
  RawClient used(server->address);
  EXPECT_EQ(used.ask(kHead, true).status, 200);
  RawClient blocker(server->address);  // the second worker takes every other connection, and starts none of them
  blocker.send("GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(eventually([this] { return blocked.load(); }));
  std::vector<std::unique_ptr<RawClient>> silent;
  for (unsigned i = 0; i < 10; ++i) {
    silent.push_back(std::make_unique<RawClient>(server->address));
    EXPECT_TRUE(open_is(3u + i));
  }
  RawClient newcomer(server->address);
  EXPECT_EQ(newcomer.ask(kHead, true).status, 200);
  EXPECT_EQ(used.ask(kHead, true).status, 200) << "who finished a request stays";
  EXPECT_TRUE(silent.front()->ended());
  unblock.set_value();
}

TEST(DeadlineOf, WhoBringsWhatItOwesIsNotOwing) {
  std::uint32_t now = 100;
  Deadline deadline(now, 600, 0.1);  // seconds for ticks of a tenth
  EXPECT_FALSE(deadline.owed()) << "nobody is waited for";
  deadline.touch();
  EXPECT_TRUE(deadline.owed());
  deadline.moved(64 * 1024);
  EXPECT_FALSE(deadline.owed());
  now += 100;
  EXPECT_FALSE(deadline.owed());
  now += 3000;
  EXPECT_TRUE(deadline.owed()) << "not for ever";
  deadline.touch();
  for (int i = 0; i < 100; ++i) {
    ++now;
    deadline.moved(10);  // 100 bytes a second
  }
  EXPECT_TRUE(deadline.owed());
  deadline.suspend();
  EXPECT_FALSE(deadline.owed());
}

TEST_F(Life, APlaceIsFoundOnWhicheverThread) {
  auto options = TestServer::defaults();
  options.max_connections = 4;
  options.threads = 4;
  serve(options);
  ASSERT_NO_FATAL_FAILURE(be_busy(3));
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(open_is(3)) << "who left holds no place any more";
    RawClient idle(server->address);
    ASSERT_EQ(idle.ask("HEAD /f HTTP/1.1\r\nHost: x\r\n\r\n", true).status, 200) << i;
    RawClient newcomer(server->address);
    ASSERT_EQ(newcomer.ask("HEAD /f HTTP/1.1\r\nHost: x\r\n\r\n", true).status, 200) << i;
    EXPECT_TRUE(idle.ended());
  }
  EXPECT_EQ(server->server->counters().connections_refused, 0u);
  held->answer(1);
}

TEST_F(Life, AFloodOfNewcomersHoldsNoMoreThanItMay) {
  auto options = TestServer::defaults();
  options.max_connections = 8;
  serve(options);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 400; ++i) clients.push_back(std::make_unique<RawClient>(server->address));
  ASSERT_TRUE(eventually([this] { return server->server->counters().connections_total == 400; }));
  EXPECT_TRUE(open_is(8));
  EXPECT_EQ(server->server->counters().connections_refused, 0u);
  EXPECT_EQ(RawClient(server->address).ask("HEAD /f HTTP/1.1\r\nHost: x\r\n\r\n", true).status, 200);
}

TEST_F(Life, PeersThatVanishDoNoHarm) {
  serve();
  for (int round = 0; round < 50; ++round) {
    RawClient client(server->address);
    client.send(kGet);
    if (round % 2) client.receive(true);
  }
  {
    RawClient waiting(server->address);
    waiting.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(eventually([this] { return held->size() == 1; }));
  }
  held->answer(1);
  EXPECT_TRUE(open_is(0));
}

TEST_F(Life, StopFinishesWhatIsUnderWay) {
  serve();
  RawClient idle(server->address);
  RawClient waiting(server->address);
  RawClient reading(server->address, 4096);
  waiting.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  reading.send(kGet);
  ASSERT_TRUE(eventually([this] { return held->size() == 1; }));
  ASSERT_TRUE(open_is(3));
  ASSERT_TRUE(eventually([this] { return server->server->counters().file_bytes_sent > 0; }));
  std::thread stopper([this] { server->server->stop(kPatience); });
  EXPECT_TRUE(idle.ended());
  held->answer(42);
  const auto answer = waiting.receive();
  EXPECT_EQ(answer.body, "42");
  EXPECT_EQ(answer.field("Connection"), "close");
  EXPECT_EQ(reading.receive().body.size(), kSize);
  stopper.join();
  EXPECT_EQ(server->server->counters().connections_open, 0u);
  EXPECT_FALSE(RawClient(server->address).connected());
}

TEST_F(Life, StopCutsWhatTakesTooLong) {
  serve();
  RawClient waiting(server->address);
  RawClient sleeping(server->address);
  RawClient slow(server->address, 4096);
  RawClient half(server->address);
  waiting.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  sleeping.send("GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n");
  slow.send(kGet);
  half.send("GET /f HTT");
  ASSERT_TRUE(eventually([this] { return held->size() == 1 && server->server->counters().requests_total == 3; }));
  const auto from = Clock::now();
  server->server->stop(200ms);
  EXPECT_LT(Clock::now() - from, kPatience);
  EXPECT_EQ(server->server->counters().connections_open, 0u);
  server.reset();
  held->answer(1);  // long after its server is gone
  waiting.rest();
}

TEST_F(Life, StopIsFineTwiceFromManyAndWithoutStart) {
  serve();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([this] { server->server->stop(100ms); });
  for (auto& thread : threads) thread.join();
  auto never = Server::create(TestServer::defaults());
  ASSERT_TRUE(never->listen("127.0.0.1:0", handler()));
  never->stop(100ms);
}

TEST_F(Life, AFileCheckThatNeverEndsIsCutByStop) {
  file = std::make_shared<TestFile>(std::string(kSize, 'f'), false);
  file->hold = true;
  serve();
  RawClient client(server->address);
  client.send(kGet);
  ASSERT_TRUE(eventually([this] { return file->is_held.load(); }));
  server->server->stop(50ms);
  EXPECT_EQ(server->server->counters().connections_open, 0u);
  auto done = std::move(file->held);
  server.reset();
  done({});
  client.rest();
}

TEST_F(Life, ManyConnectionsComeAndGoDuringStop) {
  for (int round = 0; round < 5; ++round) {
    serve();
    std::atomic<bool> over{false};
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([this, &over] {
        while (!over) {
          RawClient client(server->address);
          if (client.connected()) client.ask("GET /f HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9999\r\n\r\n");
        }
      });
    }
    ASSERT_TRUE(eventually([this] { return server->server->counters().requests_total > 100; }));
    server->server->stop(1s);
    over = true;
    for (auto& thread : clients) thread.join();
    EXPECT_EQ(server->server->counters().connections_open, 0u);
  }
}

TEST(Listen, SaysWhatIsWrong) {
  const auto nothing = [](Request&) -> boost::asio::awaitable<Reply> { co_return Reply{}; };
  auto server = Server::create(TestServer::defaults());
  const auto first = server->listen("127.0.0.1:0", nothing);
  ASSERT_TRUE(first);
  const auto message = [&](const std::string& address) {
    const auto got = server->listen(address, nothing);
    return got ? std::string("no error") : got.error().message;
  };
  EXPECT_NE(message(*first).find("choose another port"), std::string::npos) << message(*first);
  EXPECT_NE(message("192.0.2.1:0").find("no such address"), std::string::npos) << message("192.0.2.1:0");
  for (const char* wrong : {"", "8080", ":8080", "localhost:1", "1.2.3.4:", "1.2.3.4:99999", "1.2.3.4:-1", "::1:80",
                            "[::1]", "[::1:80", "1.2.3.4:8 "}) {
    EXPECT_NE(message(wrong).find("0.0.0.0:8080"), std::string::npos) << wrong << ": " << message(wrong);
  }
}

TEST(Listen, ServesSeveralAddresses) {
  auto server = Server::create(TestServer::defaults());
  const auto named = [](std::string name) {
    return [name](Request&) -> boost::asio::awaitable<Reply> {
      Reply reply;
      reply.content_type = "text/plain";
      reply.body = name;
      co_return reply;
    };
  };
  const auto a = server->listen("127.0.0.1:0", named("a"));
  const auto b = server->listen("127.0.0.1:0", named("b"));
  ASSERT_TRUE(a && b);
  server->start();
  EXPECT_EQ(RawClient(*a).ask(kGet).body, "a");
  EXPECT_EQ(RawClient(*b).ask(kGet).body, "b");
  server->stop(0ms);
}

}  // namespace
}  // namespace ota::http
