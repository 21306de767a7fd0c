// Bodies that are made while they are sent.
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <deque>

#include "ota/http/await.hpp"
#include "unit/http/server_fixture.hpp"

namespace ota::http::test {
namespace {

constexpr auto kRequest = "GET /s HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Pieces that the test puts in.
class Pieces {
 public:
  void put(std::string piece) {
    std::function<void(std::string)> taker;
    {
      const std::lock_guard lock(mutex_);
      if (taker_)
        taker.swap(taker_);
      else
        waiting_.push_back(piece);
    }
    if (taker) taker(std::move(piece));
  }
  void take(std::function<void(std::string)> done) {
    std::string piece;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        taker_ = std::move(done);
        return;
      }
      piece = std::move(waiting_.front());
      waiting_.pop_front();
    }
    done(std::move(piece));
  }
  std::atomic<bool> overrun{false};
  std::atomic<int> open{0};

 private:
  std::mutex mutex_;
  std::deque<std::string> waiting_;
  std::function<void(std::string)> taker_;
};

class PieceStream final : public BodyStream {
 public:
  explicit PieceStream(std::shared_ptr<Pieces> pieces) : pieces_(std::move(pieces)) { ++pieces_->open; }
  ~PieceStream() override { --pieces_->open; }
  boost::asio::awaitable<std::string> next() override {
    std::function<void(std::function<void(std::string)>)> start = [pieces = pieces_](auto done) {
      pieces->take(std::move(done));
    };
    auto taking = await_call<std::string>(std::move(start));
    std::string piece = co_await std::move(taking);
    if (piece == "throw") throw std::runtime_error("by the test");
    co_return piece;
  }
  bool overrun() const override { return pieces_->overrun; }

 private:
  const std::shared_ptr<Pieces> pieces_;
};

class StreamTest : public ::testing::Test {
 protected:
  static ServerOptions quick() {
    auto options = TestServer::defaults();
    options.idle_timeout = 1s;
    return options;
  }
  Handler handler() {
    return [pieces = pieces](Request&) -> boost::asio::awaitable<Reply> {
      Reply reply;
      reply.content_type = "text/event-stream";
      reply.stream = std::make_shared<PieceStream>(pieces);
      co_return reply;
    };
  }
  std::shared_ptr<Pieces> pieces = std::make_shared<Pieces>();
};

TEST_F(StreamTest, PiecesLeaveAsTheyCome) {
  TestServer server(handler());
  RawClient client(server.address);
  const auto head = client.ask(kRequest);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.field("Transfer-Encoding"), "chunked");
  EXPECT_EQ(head.field("Connection"), "close");
  EXPECT_EQ(head.field("Content-Type"), "text/event-stream");
  EXPECT_EQ(head.field("Content-Length"), "");
  pieces->put("one");
  pieces->put(std::string(20, 'x'));
  pieces->put("");
  EXPECT_EQ(client.rest(), "3\r\none\r\n14\r\n" + std::string(20, 'x') + "\r\n0\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return pieces->open == 0; }));
}

TEST_F(StreamTest, AnOldClientGetsItUpToTheClose) {
  TestServer server(handler());
  RawClient client(server.address);
  const auto head = client.ask("GET /s HTTP/1.0\r\n\r\n");
  EXPECT_EQ(head.field("Transfer-Encoding"), "");
  pieces->put("one");
  pieces->put("");
  EXPECT_EQ(client.rest(), "one");
}

TEST_F(StreamTest, HeadHasNoBody) {
  TestServer server(handler());
  RawClient client(server.address);
  EXPECT_EQ(client.ask("HEAD /s HTTP/1.1\r\nHost: localhost\r\n\r\n", true).status, 200);
  EXPECT_TRUE(client.ended());
}

TEST_F(StreamTest, SilenceOfTheSourceIsNoSilenceOfThePeer) {
  TestServer server(handler(), quick());
  RawClient client(server.address);
  EXPECT_EQ(client.ask(kRequest).status, 200);
  std::this_thread::sleep_for(2500ms);  // more than two idle times
  pieces->put("late");
  pieces->put("");
  EXPECT_EQ(client.rest(), "4\r\nlate\r\n0\r\n\r\n");
}

TEST_F(StreamTest, AReaderThatNeverReadsIsCut) {
  TestServer server(handler(), quick());
  RawClient client(server.address, 4096);
  client.send(kRequest);
  EXPECT_TRUE(eventually([&] { return pieces->open == 1; }));
  for (int i = 0; i < 400; ++i) pieces->put(std::string(16'384, 'x'));
  EXPECT_TRUE(eventually([&] { return pieces->open == 0; }));
}

TEST_F(StreamTest, OneThatIsOverrunIsCutAlsoWhileItWaits) {
  TestServer server(handler());
  RawClient client(server.address);
  EXPECT_EQ(client.ask(kRequest).status, 200);
  pieces->overrun = true;
  EXPECT_TRUE(eventually([&] { return pieces->open == 0; }));
  client.rest();
}

TEST_F(StreamTest, WhoLeavesIsNoticedWithoutAPiece) {
  TestServer server(handler());
  {
    RawClient client(server.address);
    EXPECT_EQ(client.ask(kRequest).status, 200);
    EXPECT_EQ(pieces->open, 1);
  }
  EXPECT_TRUE(eventually([&] { return pieces->open == 0; }));
  EXPECT_TRUE(eventually([&] { return server.server->counters().connections_open == 0; }));
}

TEST_F(StreamTest, AFaultOfTheSourceEndsIt) {
  TestServer server(handler());
  RawClient client(server.address);
  EXPECT_EQ(client.ask(kRequest).status, 200);
  pieces->put("throw");
  EXPECT_EQ(client.rest(), "") << "no last chunk";
}

TEST_F(StreamTest, AStopEndsWhatWaits) {
  auto server = std::make_unique<TestServer>(handler());
  RawClient client(server->address);
  EXPECT_EQ(client.ask(kRequest).status, 200);
  server->server->stop(100ms);
  EXPECT_EQ(pieces->open, 0);
  client.rest();
}

}  // namespace
}  // namespace ota::http::test
