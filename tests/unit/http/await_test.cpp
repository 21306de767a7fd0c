#include "ota/http/await.hpp"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <string>
#include <thread>

#include "ota/base/result.hpp"

namespace ota::http {
namespace {

namespace asio = boost::asio;
using Text = Result<std::string>;
using Done = std::function<void(Text)>;
using Start = std::function<void(Done)>;

/// What became of a coroutine that waits; shared with it.
struct Outcome {
  std::string text;
  bool aborted = false;
  bool destroyed = false;
  std::thread::id thread;
};

struct Witness {
  std::shared_ptr<Outcome> outcome;
  ~Witness() { outcome->destroyed = true; }
};

asio::awaitable<void> wait_for(Start start, std::shared_ptr<Outcome> outcome) {
  const Witness witness{outcome};
  auto pending = await_call<Text>(std::move(start));
  try {
    const Text text = co_await std::move(pending);
    outcome->text = text ? *text : "error: " + text.error().message;
  } catch (const boost::system::system_error& error) {
    outcome->aborted = error.code() == asio::error::operation_aborted;
  }
  outcome->thread = std::this_thread::get_id();
}

void spawn(asio::io_context& io, Start start, const std::shared_ptr<Outcome>& outcome) {
  auto waiting = wait_for(std::move(start), outcome);
  asio::co_spawn(io, std::move(waiting), asio::detached);
}

TEST(AwaitCall, TakesAnAnswerThatIsThereAtOnce) {
  asio::io_context io;
  auto outcome = std::make_shared<Outcome>();
  spawn(
      io, [](Done done) { done(std::string("here")); }, outcome);
  io.run();
  EXPECT_EQ(outcome->text, "here");
  EXPECT_TRUE(outcome->destroyed);
}

TEST(AwaitCall, ResumesOnItsOwnExecutor) {
  for (int round = 0; round < 200; ++round) {
    asio::io_context io;
    auto outcome = std::make_shared<Outcome>();
    std::thread other;
    spawn(
        io,
        [&other](Done done) {
          other = std::thread([done = std::move(done)] { done(fail(Errc::overloaded, "busy")); });
        },
        outcome);
    io.run();
    other.join();
    ASSERT_EQ(outcome->text, "error: busy");
    ASSERT_EQ(outcome->thread, std::this_thread::get_id());
  }
}

TEST(AwaitCall, OnlyTheFirstAnswerCounts) {
  asio::io_context io;
  auto outcome = std::make_shared<Outcome>();
  spawn(
      io,
      [](Done done) {
        const Done copy = done;
        done(std::string("first"));
        copy(std::string("second"));
      },
      outcome);
  io.run();
  EXPECT_EQ(outcome->text, "first");
}

TEST(AwaitCall, EndsWhereNobodyWillEverAnswer) {
  asio::io_context io;
  auto outcome = std::make_shared<Outcome>();
  spawn(
      io, [](const Done&) {}, outcome);
  io.run();
  EXPECT_TRUE(outcome->aborted);
}

TEST(AwaitCall, CanBeCancelledAndAnsweredLate) {
  asio::io_context io;
  auto outcome = std::make_shared<Outcome>();
  Done kept;
  asio::cancellation_signal signal;
  auto waiting = wait_for([&kept](Done done) { kept = std::move(done); }, outcome);
  asio::co_spawn(io, std::move(waiting), asio::bind_cancellation_slot(signal.slot(), asio::detached));
  io.poll();
  EXPECT_FALSE(outcome->destroyed);
  signal.emit(asio::cancellation_type::terminal);
  io.run();
  EXPECT_TRUE(outcome->aborted);
  kept(std::string("late"));
  EXPECT_EQ(outcome->text, "");
}

TEST(AwaitCall, AnswerAfterTheContextIsGoneDoesNothing) {
  auto outcome = std::make_shared<Outcome>();
  Done kept;
  {
    asio::io_context io;
    spawn(
        io, [&kept](Done done) { kept = std::move(done); }, outcome);
    io.poll();
    EXPECT_FALSE(outcome->destroyed);
  }
  EXPECT_TRUE(outcome->destroyed);
  kept(std::string("late"));
  EXPECT_EQ(outcome->text, "");
  EXPECT_FALSE(outcome->aborted);
}

TEST(AwaitCall, ContextMayGoWhileAnotherThreadAnswers) {
  for (int round = 0; round < 300; ++round) {
    auto outcome = std::make_shared<Outcome>();
    std::thread other;
    {
      asio::io_context io;
      spawn(
          io, [&other](Done done) { other = std::thread([done = std::move(done)] { done(std::string("racing")); }); },
          outcome);
      io.poll();
    }
    other.join();
    ASSERT_TRUE(outcome->destroyed);
  }
}

}  // namespace
}  // namespace ota::http
