// Readers of the live feed, on a real database.
#include "ota/events/feed.hpp"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <future>
#include <thread>

#include "events/feed_state.hpp"
#include "ota/storage/backend.hpp"
#include "support/eventually.hpp"
#include "support/fakes.hpp"

namespace ota::events {
namespace {

using namespace std::chrono_literals;
using ota::test::eventually;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// Real ones, which may fail to take the feed's own jobs as if there were no memory.
class FaultyReaders final : public storage::Readers {
 public:
  explicit FaultyReaders(std::unique_ptr<storage::Readers> real) : real_(std::move(real)) {}
  bool post(std::function<void(storage::ReadView&)> job, std::function<void(Error)> failed) override {
    if (faults.load() > 0 && faults.fetch_sub(1) > 0) throw std::runtime_error("made by the test");
    return real_->post(std::move(job), std::move(failed));
  }
  std::atomic<int> faults{0};

 private:
  const std::unique_ptr<storage::Readers> real_;
};

/// A stream, read on a thread as a session would.
class Reader {
 public:
  explicit Reader(std::shared_ptr<http::BodyStream> stream) : stream_(std::move(stream)) {
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Reader() {
    work_.reset();
    io_.stop();
    thread_.join();
    // What waits belongs to the context, and goes before the stream.
  }
  /// The next piece.
  std::string next() {
    auto piece = start();
    if (piece.wait_for(20s) != std::future_status::ready) throw std::runtime_error("no piece came");
    return piece.get();
  }
  /// The next pieces, until one has `part`.
  std::string until(const std::string& part) {
    std::string all;
    while (all.find(part) == std::string::npos) {
      const auto piece = next();
      if (piece.empty()) break;
      all += piece;
    }
    return all;
  }
  std::future<std::string> start() {
    auto promise = std::make_shared<std::promise<std::string>>();
    auto future = promise->get_future();
    boost::asio::co_spawn(io_, stream_->next(), [promise](std::exception_ptr fault, std::string piece) {
      if (fault)
        promise->set_exception(fault);
      else
        promise->set_value(std::move(piece));
    });
    return future;
  }
  bool overrun() const { return stream_->overrun(); }

 private:
  std::shared_ptr<http::BodyStream> stream_;
  boost::asio::io_context io_;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_{io_.get_executor()};
  std::thread thread_;
};

class FeedTest : public ::testing::Test {
 protected:
  std::int64_t add(EventType type, const std::string& channel = "stable", std::size_t bytes = 0) {
    Event event;
    event.time = clock.wall();
    event.type = type;
    event.subject = "subject";
    event.channel = channel;
    event.data = R"({"text":")" + std::string(bytes, 'x') + R"("})";
    db->begin();
    db->event_log().add(event);
    db->commit();
    feed.wake();
    return event.number;
  }
  std::unique_ptr<Reader> open(std::optional<std::int64_t> since = {}, EventFilter filter = {}) {
    auto reply = feed.open(std::move(filter), since);
    EXPECT_EQ(reply->content_type, "text/event-stream");
    return std::make_unique<Reader>(reply->stream);
  }

  test::TempDir dir;
  test::FakeClock clock;
  const std::unique_ptr<storage::Backend> storage = storage::make_backend({.database = dir / "otad.db"});
  const std::unique_ptr<storage::Database> db = storage->open(storage::Mode::writer).value();
  FaultyReaders readers{storage->open_readers(2).value()};
  Feed feed{readers, "/otad/test"};
};

TEST_F(FeedTest, WithoutAPlaceItBeginsNow) {
  add(EventType::task_created);
  const auto reader = open();
  EXPECT_EQ(reader->next(), "retry: 3000\n\n");
  add(EventType::task_failed);
  const auto piece = reader->next();
  EXPECT_THAT(piece, StartsWith("id: 2\ndata: {\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"/otad/test\""));
  EXPECT_THAT(piece, testing::EndsWith("}\n\n"));
  EXPECT_THAT(piece, Not(HasSubstr("id: 1\n")));
}

TEST_F(FeedTest, APlaceInThePastBringsAllSinceAndThenWhatComes) {
  for (int i = 0; i < 1'000; ++i) add(EventType::task_created);
  const auto reader = open(3);
  const auto all = reader->until("id: 1000\n");
  EXPECT_THAT(all, Not(HasSubstr("gap")));
  EXPECT_THAT(all, Not(HasSubstr("id: 3\n")));
  std::size_t at = 0;
  for (int i = 4; i <= 1'000; ++i) {
    at = all.find("id: " + std::to_string(i) + "\n", at);
    ASSERT_NE(at, std::string::npos) << i << " in its order";
  }
  add(EventType::task_failed);
  EXPECT_THAT(reader->next(), StartsWith("id: 1001\n"));
}

TEST_F(FeedTest, AFilterPassesOverTheOthers) {
  EventFilter filter;
  filter.channel = "beta";
  const auto reader = open({}, filter);
  reader->next();
  auto piece = reader->start();
  for (int i = 0; i < 20; ++i) add(EventType::task_created);
  const auto wanted = add(EventType::task_failed, "beta");
  EXPECT_EQ(piece.wait_for(20s), std::future_status::ready);
  EXPECT_THAT(piece.get(), StartsWith("id: " + std::to_string(wanted) + "\n"));
}

TEST_F(FeedTest, APlaceThatIsGoneIsAGap) {
  for (int i = 0; i < 10; ++i) add(EventType::task_created);
  db->event_log().prune(clock.wall() + 1h, 5);
  auto first = open(2)->next();
  EXPECT_EQ(first, "retry: 3000\n\nevent: gap\nid: 5\ndata: {\"oldest\":6,\"newest\":10}\n\n");
  EXPECT_EQ(open(5)->next(), "retry: 3000\n\n") << "6 is the next, and is there";
  EXPECT_EQ(open(10)->next(), "retry: 3000\n\n");
  const auto future = open(11);
  EXPECT_EQ(future->next(), "retry: 3000\n\nevent: gap\nid: 10\ndata: {\"oldest\":6,\"newest\":10}\n\n");
  add(EventType::task_failed);
  EXPECT_THAT(future->next(), StartsWith("id: 11\n"));
}

TEST_F(FeedTest, WhoFallsBehindTheBufferIsCutOff) {
  // The buffer begins where its first read finds the log's end. Only events after that are served from it.
  const auto first = open();
  first->next();
  add(EventType::task_created);
  first->until("id: 1\n");
  const auto slow = open();
  slow->next();
  const auto fast = open();
  fast->next();
  add(EventType::task_created);
  EXPECT_THAT(slow->next(), StartsWith("id: 2\n"));
  fast->until("id: 2\n");
  constexpr int kEvents = 40;
  for (int i = 0; i < kEvents; ++i) {
    const auto number = add(EventType::task_created, "stable", 50'000);
    fast->until("id: " + std::to_string(number) + "\n");
    if (i == 2) {
      EXPECT_FALSE(slow->overrun());
    }
  }
  EXPECT_TRUE(slow->overrun());
  EXPECT_FALSE(fast->overrun());
  EXPECT_EQ(slow->next(), "") << "its stream ends";
  EXPECT_GE(feed.stats().cut, 1u);
  const auto again = open(2);
  EXPECT_THAT(again->until("id: 42\n"), HasSubstr("id: 3\n")) << "it resumes without loss";
}

TEST_F(FeedTest, ReadersAreCountedAndBounded) {
  std::vector<std::shared_ptr<http::BodyStream>> streams;
  for (std::size_t i = 0; i < Feed::kMaxReaders; ++i) streams.push_back(feed.open({}, {})->stream);
  EXPECT_EQ(feed.stats().readers, Feed::kMaxReaders);
  const auto refused = feed.open({}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::overloaded);
  EXPECT_GT(refused.error().retry_after_s, 0);
  streams.pop_back();
  EXPECT_TRUE(feed.open({}, {}));
  streams.clear();
  EXPECT_EQ(feed.stats().readers, 0u);
}

TEST_F(FeedTest, AStopEndsAllStreams) {
  const auto waits = open();
  waits->next();
  auto piece = waits->start();
  feed.stop();
  EXPECT_EQ(piece.get(), "");
  EXPECT_EQ(feed.open({}, {}).error().code, Errc::overloaded);
  add(EventType::task_created);
}

TEST_F(FeedTest, ItsThreadGoesOnAfterExceptions) {
  const auto reader = open();
  reader->next();
  add(EventType::task_created);
  reader->until("id: 1\n");
  testing::internal::CaptureStderr();
  readers.faults = 2;
  add(EventType::task_failed);
  EXPECT_THAT(reader->until("id: 2\n"), Not(HasSubstr("id: 1\n")));
  add(EventType::task_failed);
  reader->until("id: 3\n");
  const auto log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("error the event feed: reading new events failed: made by the test"));
  EXPECT_EQ(readers.faults, 0);
}

TEST_F(FeedTest, AWaiterThatThrowsHoldsUpNoOther) {
  const auto state = std::make_shared<Feed::State>(readers, "/otad/test");
  state->start();
  testing::internal::CaptureStderr();
  std::atomic<int> called{0};
  const auto wait = [&](bool throws) {
    state->wait(0, std::chrono::steady_clock::now(), [&called, throws](bool) {
      ++called;
      if (throws) throw std::runtime_error("made by the test");
    });
  };
  for (const bool throws : {true, false, true, false}) wait(throws);
  EXPECT_TRUE(eventually([&] { return called == 4; }));
  wait(false);
  EXPECT_TRUE(eventually([&] { return called == 5; }));
  wait(true);
  state->stop();
  EXPECT_EQ(called, 6);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("the event feed: calling a reader failed: made by the test"));
}

TEST_F(FeedTest, ReadersComeAndGoWhileEventsCome) {
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 300; ++i) add(EventType::task_created);
    done = true;
  });
  std::int64_t last = 0;
  while (!done || last < 300) {  // each resumes where the one before it left
    const auto reader = open(last);
    for (int i = 0; i < 3 && last < 300; ++i) {
      const auto piece = reader->next();
      for (auto at = piece.find("id: "); at != std::string::npos; at = piece.find("id: ", at + 4)) {
        const auto number = std::stoll(piece.substr(at + 4));
        EXPECT_EQ(number, last + 1);
        last = number;
      }
    }
  }
  writer.join();
  EXPECT_EQ(last, 300);
}

}  // namespace
}  // namespace ota::events
