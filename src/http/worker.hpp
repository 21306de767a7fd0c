// One thread of the server, with all that its connections share.
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
  /// Time went on by one tick.
  virtual void on_tick() = 0;
  /// The server stops: end now if idle, else after the request under way.
  virtual void on_drain() = 0;
  /// End now, whatever is under way.
  virtual void on_cut() = 0;
  /// Whether it is for the peer to go on, and the peer hardly does.
  virtual bool owed() const = 0;
  /// End now for another connection's sake.
  virtual void on_give_way() = 0;

  Link waiting;             ///< linked while the peer is waited for
  std::uint32_t since = 0;  ///< the tick in which that began
  bool proven = false;      ///< a request was finished on it
};

/// Who gives way to a newcomer, in this order.
enum class Yields : std::uint8_t {
  overdue,  ///< never finished a request, or is long in coming with a further one
  idle,     ///< between two requests
  unproven  ///< never finished a request, however short the time that it had
};

/// Counts with one writer.
class Counter {
 public:
  void add(std::uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Everything but run(), join(), post and the counters is for its own thread. No locks: a connection stays with the
/// worker that it was given to.
class Worker {
 public:
  Worker(unsigned number, std::chrono::milliseconds tick);
  ~Worker();

  void run();
  /// Lets the thread end once nothing is under way; with `now`, whatever is under way. From outside.
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
  /// Between requests from now on.
  void rests(SessionHook& connection);
  /// From now on the peer owes the rest of a handshake or of a request.
  void owes(SessionHook& connection);
  /// The peer is waited for no more.
  void goes_on(SessionHook& connection);
  /// Ends the eldest connection of that kind; false where there is none. `crowded`: the unproven ones get no time.
  bool end_one(Yields kind, bool crowded);
  /// Connections whose peer never finished a request and is waited for. From any thread.
  std::size_t unproven() const { return unproven_count_.load(std::memory_order_relaxed); }
  /// Tells the peer that the server is full; the socket is closed a little later, so that the answer isn't lost.
  void refuse(boost::asio::ip::tcp::socket socket, bool tls);

  /// The Date header's value, made anew each second.
  const std::string& date();
  /// An empty string with room, from those that were given back.
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
  Queue idle_;                                  // each: longest first
  Queue unproven_;                              // never finished a request
  Queue unfinished_;                            // did, and is in another
  std::atomic<std::size_t> unproven_count_{0};  // of unproven_
  boost::asio::io_context io_{1};
  std::deque<boost::asio::ip::tcp::socket> refused_;
  boost::asio::steady_timer timer_{io_};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_;
};

}  // namespace ota::http
