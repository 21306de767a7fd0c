// What a listener hears of the line that a file went over.
#include "server_fixture.hpp"

namespace ota::http {
namespace {

using namespace test;

class StatsListener final : public TransferListener {
 public:
  void sent(std::uint64_t, std::uint64_t length) override { sent_bytes += length; }
  void ended(bool whole) override { ++(whole ? wholes : cuts); }
  void on_stats(const ConnectionStats& stats) override {
    ++looks;
    acked += stats.acked;
    segments += stats.segments;
    if (stats.rtt_ms > 0) timed = true;
  }

  std::atomic<std::uint64_t> sent_bytes{0}, acked{0}, segments{0};
  std::atomic<int> wholes{0}, cuts{0}, looks{0};
  std::atomic<bool> timed{false};
};

class Line : public ::testing::Test {
 protected:
  static constexpr std::size_t kLength = 24'000'000;  // more than the kernel's buffers hold

  const std::string content = pattern(kLength);
  std::shared_ptr<TestFile> file = std::make_shared<TestFile>(content);
  std::shared_ptr<StatsListener> listener = std::make_shared<StatsListener>();
  TestServer server{[this](Request& request) -> boost::asio::awaitable<Reply> {
    Reply reply;
    FileBody body;
    body.source = file;
    body.length = request.path() == "/small" ? 1'000 : kLength;
    if (request.path() != "/quiet") body.listener = listener;
    reply.file = std::move(body);
    co_return reply;
  }};
};

TEST_F(Line, IsMeasuredUntilThePeerHasAll) {
  RawClient client(server.address);
  EXPECT_TRUE(client.ask("GET /f HTTP/1.1\r\nHost: x\r\n\r\n").body == content);
  EXPECT_TRUE(eventually([&] { return listener->wholes == 1 && listener->acked >= kLength; }));
  EXPECT_EQ(listener->cuts, 0);
  EXPECT_GT(listener->segments, 0u);
  EXPECT_TRUE(listener->timed);
  EXPECT_TRUE(eventually([&] { return listener.use_count() == 1; })) << "kept for a connection that only waits";
}

TEST_F(Line, APeerThatReadsLaterIsStillFollowed) {
  RawClient client(server.address);
  client.send("GET /small HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return listener->acked >= 1'000; }));
  EXPECT_EQ(client.receive().body.size(), 1'000u);
}

TEST_F(Line, ACutReplyIsTold) {
  {
    RawClient client(server.address, 4'096);
    client.send("GET /f HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(eventually([&] { return listener->sent_bytes > 0; }));
  }
  EXPECT_TRUE(eventually([&] { return listener->cuts == 1; }));
  EXPECT_EQ(listener->wholes, 0);
}

TEST_F(Line, NobodyListensAndNothingBreaks) {
  RawClient client(server.address);
  EXPECT_EQ(client.ask("GET /quiet HTTP/1.1\r\nHost: x\r\n\r\n").body.size(), kLength);
  EXPECT_EQ(client.ask("GET /small HTTP/1.1\r\nHost: x\r\n\r\n").body.size(), 1'000u);
  EXPECT_EQ(client.ask("GET /quiet HTTP/1.1\r\nHost: x\r\n\r\n").body.size(), kLength);
}

}  // namespace
}  // namespace ota::http
