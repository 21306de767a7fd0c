// One thread of the server, with the state that its connections share.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <deque>
#include <string>
#include <thread>
#include <vector>

namespace ota::http {

/// A connection as its worker sees it; called on the worker's thread.
class SessionHook
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  using Link = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  virtual ~SessionHook() = default;
  /// One tick has passed.
  virtual void on_tick() = 0;
  /// The server stops: ends now if idle, else after the current request.
  virtual void on_drain() = 0;
  /// Ends now, also during a request.
  virtual void on_cut() = 0;
  /// Whether the connection waits for a peer that makes hardly any progress.
  virtual bool owed() const = 0;
  /// Ends now to make room for another connection.
  virtual void on_give_way() = 0;

  Link waiting;             ///< linked while the connection waits for the peer
  std::uint32_t since = 0;  ///< the tick in which the wait began
  bool proven = false;      ///< a request was finished on it
  bool counted = false;     ///< in the number of unproven ones
};

/// Kinds of connections that a new one may replace, in this order.
enum class Yields : std::uint8_t {
  overdue,  ///< never finished a request, or takes long for a further one
  idle,     ///< between two requests
  unread,   ///< takes nothing of its reply
  unproven  ///< never finished a request, however recent it is
};

/// Counts with one writer.
class Counter {
 public:
  void add(std::uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// All functions except run(), join(), post and the counters are for its own thread. It needs no locks, because a
/// connection stays with its worker.
class Worker {
 public:
  Worker(unsigned number, std::chrono::milliseconds tick);
  ~Worker();

  void run();
  /// Ends the thread when no request is in progress; with `now`, at once. For other threads.
  void end(bool now);
  void join();

  boost::asio::io_context& io() { return io_; }
  /// Counts ticks, from 1.
  const std::uint32_t& now() const { return now_; }
  std::uint32_t ticks(std::chrono::milliseconds time) const;
  double tick_seconds() const { return std::chrono::duration<double>(tick_).count(); }

  void track(SessionHook& connection);
  void drain();
  void cut();
  bool draining() const { return draining_; }
  /// The connection is between requests from now on.
  void rests(SessionHook& connection);
  /// From now on the connection waits for the rest of a handshake or a request.
  void owes(SessionHook& connection);
  /// From now on the connection waits for the peer to take a reply.
  void replies(SessionHook& connection) { enqueue(replying_, connection); }
  /// The connection no longer waits for the peer.
  void goes_on(SessionHook& connection);
  /// Ends the oldest connection of that kind; false if there is none. `crowded`: unproven ones get no minimum time.
  bool end_one(Yields kind, bool crowded);
  /// Announces a connection whose session will be started on this worker's thread; it counts as unproven. Any thread.
  void expects() { unproven_count_.fetch_add(1, std::memory_order_relaxed); }
  /// Ends what expects() announced: the session counts by itself.
  void started() { unproven_count_.fetch_sub(1, std::memory_order_relaxed); }
  /// Number of connections that never finished a request: announced or waiting. Any thread.
  std::size_t unproven() const { return unproven_count_.load(std::memory_order_relaxed); }
  /// Sends the peer an error that the server is full; the socket is closed a little later, so that the reply isn't
  /// lost.
  void refuse(boost::asio::ip::tcp::socket socket, bool tls);

  /// The value of the Date header, updated each second.
  const std::string& date();
  /// An empty string with capacity, from the pool of returned ones.
  std::string take_text();
  void give_text(std::string text);

  Counter requests;
  Counter file_bytes;

 private:
  using Queue =
      boost::intrusive::list<SessionHook,
                             boost::intrusive::member_hook<SessionHook, SessionHook::Link, &SessionHook::waiting>,
                             boost::intrusive::constant_time_size<false>>;
  void arm();
  void enqueue(Queue& queue, SessionHook& connection);
  bool end_eldest(Queue& queue, std::uint32_t age);

  const unsigned number_;
  const std::chrono::milliseconds tick_;
  std::uint32_t now_ = 1;
  bool draining_ = false;
  bool armed_ = false;
  std::time_t date_second_ = -1;
  std::string date_;
  std::vector<std::string> texts_;
  boost::intrusive::list<SessionHook, boost::intrusive::constant_time_size<false>> connections_;
  Queue idle_;                                  // these four: longest first
  Queue unproven_;                              // never finished a request
  Queue unfinished_;                            // finished one, and is in another one
  Queue replying_;
  std::atomic<std::size_t> unproven_count_{0};  // of unproven_, and those announced
  boost::asio::io_context io_{1};
  std::deque<boost::asio::ip::tcp::socket> refused_;
  boost::asio::steady_timer timer_{io_};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_;
};

}  // namespace ota::http
