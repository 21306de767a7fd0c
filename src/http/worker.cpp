#include "http/worker.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <csignal>
#include <utility>

#include "http/header_writer.hpp"
#include "ota/base/fault.hpp"
#include "ota/base/log.hpp"
#include "ota/http/problem.hpp"

namespace ota::http {
namespace asio = boost::asio;

namespace {
constexpr std::size_t kSpareTexts = 64;
constexpr std::size_t kTextRoom = 1024;
constexpr std::size_t kLargestSpareText = 16 * 1024;
constexpr std::size_t kRefusedKept = 64;
/// Minimum time of a new connection for its handshake and first request before another one may replace it.
constexpr std::chrono::milliseconds kFirstTime{5'000};
/// The same for a further request of a connection that finished some.
constexpr std::chrono::milliseconds kFurtherTime{10'000};
}  // namespace

Worker::Worker(unsigned number, std::chrono::milliseconds tick) : number_(number), tick_(tick) {}

Worker::~Worker() {
  end(true);
  join();
}

void Worker::run() {
  thread_ = std::thread([this] {
    // sendfile(2) knows no MSG_NOSIGNAL.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    pthread_setname_np(pthread_self(), fmt::format("http-{}", number_).c_str());
    for (;;) {
      try {
        io_.run();
        return;
      } catch (...) {
        log::error(fmt::format("http: a connection was dropped by an unexpected fault: {}",
                               describe_exception(std::current_exception())));
      }
    }
  });
}

void Worker::end(bool now) {
  asio::post(io_, [this] {
    work_.reset();
    refused_.clear();
    timer_.cancel();
  });
  if (now) io_.stop();
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

std::uint32_t Worker::ticks(std::chrono::milliseconds time) const {
  return static_cast<std::uint32_t>((time + tick_ - std::chrono::milliseconds(1)) / tick_);
}

void Worker::track(SessionHook& connection) {
  connections_.push_back(connection);
  arm();
}

void Worker::drain() {
  draining_ = true;
  for (auto at = connections_.begin(); at != connections_.end();) (at++)->on_drain();
}

void Worker::cut() {
  draining_ = true;
  for (auto at = connections_.begin(); at != connections_.end();) (at++)->on_cut();
}

void Worker::enqueue(Queue& queue, SessionHook& connection) {
  goes_on(connection);
  connection.since = now_;
  queue.push_back(connection);
}

void Worker::rests(SessionHook& connection) { enqueue(idle_, connection); }

void Worker::owes(SessionHook& connection) {
  enqueue(connection.proven ? unfinished_ : unproven_, connection);
  connection.counted = !connection.proven;
  if (connection.counted) unproven_count_.fetch_add(1, std::memory_order_relaxed);
}

void Worker::goes_on(SessionHook& connection) {
  if (!connection.waiting.is_linked()) return;
  connection.waiting.unlink();
  if (std::exchange(connection.counted, false)) unproven_count_.fetch_sub(1, std::memory_order_relaxed);
}

bool Worker::end_eldest(Queue& queue, std::uint32_t age) {
  for (SessionHook& eldest : queue) {
    if (now_ - eldest.since < age) return false;
    if (!eldest.owed()) continue;
    goes_on(eldest);
    eldest.on_give_way();
    return true;
  }
  return false;
}

bool Worker::end_one(Yields kind, bool crowded) {
  switch (kind) {
    case Yields::overdue:
      return end_eldest(unproven_, crowded ? 0 : ticks(kFirstTime)) || end_eldest(unfinished_, ticks(kFurtherTime));
    case Yields::idle:
      return end_eldest(idle_, 0);
    case Yields::unread:
      return end_eldest(replying_, 0);
    case Yields::unproven:
      return end_eldest(unproven_, 0);
  }
  return false;
}

void Worker::refuse(asio::ip::tcp::socket socket, bool tls) {
  if (!tls) {
    const Reply reply =
        problem({503, "overloaded", kOverloaded, "the server has reached its connection limit; try again later"});
    std::string text;
    HeaderWriter writer(text);
    writer.status(reply.status);
    writer.field("Date", date());
    for (const Header& header : reply.headers) writer.field(header);
    writer.field("Content-Type", reply.content_type);
    writer.number("Content-Length", reply.body.size());
    writer.field("Retry-After", "5");
    writer.connection(Connection::close);
    writer.end();
    text += reply.body;
    (void)!::send(socket.native_handle(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  boost::system::error_code ignored;
  socket.shutdown(asio::socket_base::shutdown_send, ignored);
  // Closed at once, with the request unread, the kernel would send a reset and the answer could be lost.
  if (refused_.size() == kRefusedKept) refused_.pop_front();
  refused_.push_back(std::move(socket));
  arm();
}

const std::string& Worker::date() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != date_second_) {
    date_second_ = now.tv_sec;
    date_ = http_date(now.tv_sec);
  }
  return date_;
}

std::string Worker::take_text() {
  std::string text;
  if (texts_.empty()) {
    text.reserve(kTextRoom);
  } else {
    text = std::move(texts_.back());
    texts_.pop_back();
    text.clear();
  }
  return text;
}

void Worker::give_text(std::string text) {
  if (texts_.size() < kSpareTexts && text.capacity() <= kLargestSpareText) texts_.push_back(std::move(text));
}

void Worker::arm() {
  if (armed_) return;
  armed_ = true;
  timer_.expires_after(tick_);
  timer_.async_wait([this](const boost::system::error_code& ec) {
    armed_ = false;
    if (ec) return;
    ++now_;
    // What was refused in this tick has had less than a tick's time; half of them go, the eldest first.
    for (std::size_t gone = (refused_.size() + 1) / 2; gone > 0; --gone) refused_.pop_front();
    for (auto at = connections_.begin(); at != connections_.end();) (at++)->on_tick();
    if (!connections_.empty() || !refused_.empty()) arm();
  });
}

}  // namespace ota::http
