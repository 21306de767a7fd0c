// The buffer of recent events, its readers, and the thread that fills it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "ota/base/mutex.hpp"
#include "ota/events/feed.hpp"

namespace ota::events {

/// Where a stream is.
struct Position {
  std::int64_t after = 0;  ///< the last event that it had, or that its filter passed over
  EventFilter filter;
};

/// Thread-safe. While there are readers, the buffer holds all events above begin(), up to the newest that was read.
class Feed::State : public std::enable_shared_from_this<State> {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Found : std::uint8_t {
    text,     ///< there are events
    nothing,  ///< none by now: wait()
    older,    ///< the buffer begins later: they are in the database
    stopped
  };

  State(storage::Readers& readers, std::string source) : readers_(readers), source_(std::move(source)) {}
  void start();
  void stop();
  void wake();

  /// False where there are too many readers, or after stop().
  bool join();
  void leave();
  /// Appends what comes after `position`, and moves it.
  Found take(Position& position, std::string& text);
  /// Calls `done` once there may be more, `until` has come, or the feed stops; on any thread.
  void wait(std::int64_t after, Clock::time_point until, std::function<void(bool)> done);
  /// Above this number the buffer has all; 0 while there is none.
  std::int64_t begin() const { return begin_.load(std::memory_order_relaxed); }
  void note_cut() { cut_.fetch_add(1, std::memory_order_relaxed); }
  FeedStats stats() const;

  storage::Readers& readers() { return readers_; }
  /// As a server-sent event.
  std::string text_of(const Event& event) const;

 private:
  struct Item {
    Event event;
    std::string text;
  };
  struct Waiter {
    Clock::time_point until;
    std::function<void(bool)> done;
  };
  static constexpr std::int64_t kUnknown = -1;
  static constexpr int kReadAtOnce = 1'000;

  void loop();
  /// Reads what is due, and calls those that waited long enough; when to be called again, at most `until`.
  Clock::time_point step(Clock::time_point until) OTA_REQUIRES(mutex_);
  void read_more() OTA_REQUIRES(mutex_);
  void took(const storage::EventPage& page, std::int64_t newest);
  void append(const storage::EventPage& page, std::int64_t newest) OTA_REQUIRES(mutex_);
  void failed();
  void clear() OTA_REQUIRES(mutex_);
  std::vector<Waiter> overdue(Clock::time_point now) OTA_REQUIRES(mutex_);

  storage::Readers& readers_;
  const std::string source_;
  mutable Mutex mutex_;
  ConditionVariable changed_;
  bool stopped_ OTA_GUARDED_BY(mutex_) = false;
  bool wanted_ OTA_GUARDED_BY(mutex_) = false;   // the database may have more
  bool reading_ OTA_GUARDED_BY(mutex_) = false;  // a job is under way
  std::size_t count_ OTA_GUARDED_BY(mutex_) = 0;
  std::deque<Item> items_ OTA_GUARDED_BY(mutex_);
  std::size_t bytes_ OTA_GUARDED_BY(mutex_) = 0;
  std::int64_t end_ OTA_GUARDED_BY(mutex_) = kUnknown;  // the last that was read
  std::vector<Waiter> waiters_ OTA_GUARDED_BY(mutex_);
  Clock::time_point next_read_ OTA_GUARDED_BY(mutex_){};
  std::atomic<std::int64_t> begin_{0};
  std::atomic<std::uint64_t> cut_{0};
  std::thread thread_;
};

}  // namespace ota::events
