// Chunks over HTTP from a server that breaks off.
#include "agent/http_source.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <deque>
#include <mutex>
#include <thread>

#include "support/broker.hpp"

namespace ota::agent {
namespace {

// Answers each request with the next of its replies, as it stands, and closes the connection.
class ReplyingServer {
 public:
  /// The first one only after some time.
  explicit ReplyingServer(std::deque<std::string> replies, std::chrono::milliseconds wait = {})
      : replies_(std::move(replies)), wait_(wait) {
    const auto listening = test::listen_on_loopback(8);
    listener_ = listening.descriptor;
    port_ = listening.port;
    thread_ = std::thread([this] { serve(); });
  }
  ~ReplyingServer() {
    stopping_ = true;
    thread_.join();
    close(listener_);
  }

  std::string url(const char* path = "chunks/{index}") const {
    return fmt::format("http://127.0.0.1:{}/{}", port_, path);
  }
  /// The Range field of each request so far, empty where it had none.
  std::vector<std::string> ranges() {
    std::lock_guard lock(mutex_);
    return ranges_;
  }

 private:
  void serve() {
    while (!stopping_) {
      pollfd waiting{listener_, POLLIN, 0};
      if (poll(&waiting, 1, 20) <= 0) continue;
      int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      std::string head;
      char buffer[4096];
      while (head.find("\r\n\r\n") == std::string::npos) {
        auto got = recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) break;
        head.append(buffer, static_cast<std::size_t>(got));
      }
      std::this_thread::sleep_for(std::exchange(wait_, {}));
      std::lock_guard lock(mutex_);
      auto at = head.find("Range: ");
      ranges_.push_back(at == std::string::npos ? "" : head.substr(at + 7, head.find('\r', at) - at - 7));
      if (!replies_.empty()) {
        ::send(fd, replies_.front().data(), replies_.front().size(), MSG_NOSIGNAL);
        replies_.pop_front();
      }
      close(fd);
    }
  }

  std::mutex mutex_;
  std::deque<std::string> replies_;
  std::vector<std::string> ranges_;
  std::chrono::milliseconds wait_;
  std::atomic<bool> stopping_ = false;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

std::string reply(int status, std::size_t length, const std::string& sent) {
  return fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n\r\n{}", status, length, sent);
}

Assignment task_at(const ReplyingServer& server) {
  Assignment task;
  task.checksum[0] = 1;
  task.grid = ChunkGrid{25, 10};
  task.chunk_url = server.url();
  return task;
}

class HttpSource : public ::testing::Test {
 protected:
  std::atomic<bool> interrupted_ = false;
  std::unique_ptr<ChunkSource> source_ = make_http_source(curl::TlsFiles{}, interrupted_);
};

TEST_F(HttpSource, AsksForTheRestAloneOfAChunkThatBrokeOff) {
  ReplyingServer server(
      {reply(200, 10, "abc"), reply(206, 7, "de"), reply(503, 4, "busy"), "", reply(206, 5, "fghij")});
  auto task = task_at(server);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(source_->chunk(task, 1, {}).kind, Fetched::Kind::later) << i;
  auto fetched = source_->chunk(task, 1, {});
  ASSERT_EQ(fetched.kind, Fetched::Kind::ok);
  EXPECT_EQ(fetched.bytes, "abcdefghij");
  auto ranges = server.ranges();
  // A connection that ends without an answer may be dialled again by curl itself.
  EXPECT_EQ(ranges[0], "");
  EXPECT_EQ(ranges[1], "bytes=3-");
  for (std::size_t i = 2; i < ranges.size(); ++i) EXPECT_EQ(ranges[i], "bytes=5-") << i;
}

TEST_F(HttpSource, FetchesEachChunkOnceWhateverIsAhead) {
  ReplyingServer server({reply(200, 10, "abcdefghij"), reply(200, 10, "klmnopqrst"), reply(200, 5, "uvwxy")});
  auto task = task_at(server);
  EXPECT_EQ(source_->chunk(task, 0, {{1, 2}}).bytes, "abcdefghij");
  EXPECT_EQ(source_->chunk(task, 1, {{2, 2}}).bytes, "klmnopqrst");
  EXPECT_EQ(source_->chunk(task, 2, {}).bytes, "uvwxy");
  EXPECT_EQ(server.ranges(), std::vector<std::string>(3, ""));
}

TEST_F(HttpSource, EndsWhatRunsWhenInterrupted) {
  ReplyingServer server({});
  auto task = task_at(server);
  interrupted_ = true;
  EXPECT_EQ(source_->chunk(task, 0, {{1, 2}}).kind, Fetched::Kind::aborted);
}

TEST_F(HttpSource, TakesTheWholeFromAServerThatIgnoresRanges) {
  ReplyingServer server({reply(200, 10, "xyz"), reply(200, 10, "abcdefghij"), reply(200, 10, "abcdefghij")});
  auto task = task_at(server);
  ASSERT_EQ(source_->chunk(task, 0, {}).kind, Fetched::Kind::later);
  EXPECT_EQ(source_->chunk(task, 0, {}).bytes, "abcdefghij");
  EXPECT_EQ(source_->chunk(task, 0, {}).bytes, "abcdefghij");
  EXPECT_EQ(server.ranges(), (std::vector<std::string>{"", "bytes=3-", ""}));
}

TEST_F(HttpSource, KeepsNothingForAnotherChunkImageOrGrid) {
  auto broken = reply(200, 10, "abc");
  ReplyingServer server({broken, broken, broken, broken});
  auto task = task_at(server);
  (void)source_->chunk(task, 0, {});
  (void)source_->chunk(task, 1, {});
  task.checksum[0] = 2;
  (void)source_->chunk(task, 1, {});
  task.grid = ChunkGrid{25, 5};
  (void)source_->chunk(task, 2, {});  // from the same offset
  EXPECT_EQ(server.ranges(), std::vector<std::string>(4, ""));
}

TEST_F(HttpSource, BeginsAnewAfterMoreBytesThanTheChunkHas) {
  ReplyingServer server({reply(200, 10, "abc"), reply(206, 20, "defghijklmnopqrstuvw"), reply(200, 10, "abcdefghij")});
  auto task = task_at(server);
  ASSERT_EQ(source_->chunk(task, 0, {}).kind, Fetched::Kind::later);
  ASSERT_EQ(source_->chunk(task, 0, {}).kind, Fetched::Kind::later);
  EXPECT_EQ(source_->chunk(task, 0, {}).bytes, "abcdefghij");
  EXPECT_EQ(server.ranges(), (std::vector<std::string>{"", "bytes=3-", ""}));
}

constexpr std::chrono::milliseconds kLong{900};
const std::string kImage = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX";

Assignment long_task_at(const ReplyingServer& server) {
  auto task = task_at(server);
  task.grid = ChunkGrid{kImage.size(), 10};
  task.image_url = server.url("image");
  return task;
}

TEST_F(HttpSource, AsksForSeveralAtOnceOnALineThatLetItWait) {
  ReplyingServer server(
      {reply(200, 10, kImage.substr(0, 10)), reply(206, 50, kImage.substr(10, 25)), reply(206, 25, kImage.substr(35))},
      kLong);
  auto task = long_task_at(server);
  EXPECT_EQ(source_->chunk(task, 0, {{1, 5}}).bytes, kImage.substr(0, 10));
  EXPECT_EQ(source_->chunk(task, 1, {{2, 5}}).bytes, kImage.substr(10, 10));
  EXPECT_EQ(source_->chunk(task, 2, {{3, 5}}).bytes, kImage.substr(20, 10));
  // Where the end was seen before it was asked for, the rest comes at once.
  auto third = source_->chunk(task, 3, {{4, 5}});
  if (third.kind == Fetched::Kind::later) third = source_->chunk(task, 3, {{4, 5}});
  EXPECT_EQ(third.bytes, kImage.substr(30, 10));
  EXPECT_EQ(source_->chunk(task, 4, {{5, 5}}).bytes, kImage.substr(40, 10));
  EXPECT_EQ(source_->chunk(task, 5, {}).bytes, kImage.substr(50));
  EXPECT_EQ(server.ranges(), (std::vector<std::string>{"", "bytes=10-59", "bytes=35-59"}));
}

TEST_F(HttpSource, AsksForNoneThatIsNotWanted) {
  ReplyingServer server(
      {reply(200, 10, kImage.substr(0, 10)), reply(206, 20, kImage.substr(10, 20)), reply(206, 20, kImage.substr(40))},
      kLong);
  auto task = long_task_at(server);
  EXPECT_EQ(source_->chunk(task, 0, {{1, 2}, {4, 5}}).bytes, kImage.substr(0, 10));
  EXPECT_EQ(source_->chunk(task, 1, {{2, 2}, {4, 5}}).bytes, kImage.substr(10, 10));
  EXPECT_EQ(source_->chunk(task, 2, {{4, 5}}).bytes, kImage.substr(20, 10));
  EXPECT_EQ(source_->chunk(task, 4, {{5, 5}}).bytes, kImage.substr(40, 10));
  EXPECT_EQ(source_->chunk(task, 5, {}).bytes, kImage.substr(50));
  EXPECT_EQ(server.ranges(), (std::vector<std::string>{"", "bytes=10-29", "bytes=40-59"}));
}

TEST_F(HttpSource, TakesOneByOneFromAServerThatKnowsNoRangesOfTheImage) {
  ReplyingServer server({reply(200, 10, kImage.substr(0, 10)), reply(200, 60, kImage),
                         reply(200, 10, kImage.substr(10, 10)), reply(200, 10, kImage.substr(20, 10))},
                        kLong);
  auto task = long_task_at(server);
  EXPECT_EQ(source_->chunk(task, 0, {{1, 5}}).bytes, kImage.substr(0, 10));
  EXPECT_EQ(source_->chunk(task, 1, {{2, 5}}).kind, Fetched::Kind::later);
  EXPECT_EQ(source_->chunk(task, 1, {{2, 5}}).bytes, kImage.substr(10, 10));
  EXPECT_EQ(source_->chunk(task, 2, {}).bytes, kImage.substr(20, 10));
  EXPECT_EQ(server.ranges(), (std::vector<std::string>{"", "bytes=10-59", "", ""}));
}

}  // namespace
}  // namespace ota::agent
