#include "http/worker.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <csignal>

#include "http/header_writer.hpp"
#include "ota/base/log.hpp"

namespace ota::http {
namespace asio = boost::asio;

namespace {
constexpr std::size_t kSpareTexts = 64;
constexpr std::size_t kTextRoom = 1024;
constexpr std::size_t kLargestSpareText = 16 * 1024;
constexpr std::size_t kRefusedKept = 64;
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
      } catch (const std::exception& error) {
        log::error(fmt::format("http: a connection was dropped by an unexpected fault: {}", error.what()));
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

void Worker::track(Tracked& connection) {
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

bool Worker::end_longest_idle() {
  if (idle_.empty()) return false;
  Tracked& longest = idle_.front();
  longest.on_drain();
  longest.idle.unlink();
  return true;
}

void Worker::refuse(asio::ip::tcp::socket socket, bool tls) {
  if (!tls) {
    const Reply reply = problem(503, "overloaded", "the server has as many connections as it may; try again later");
    std::string text;
    HeaderWriter writer(text);
    writer.status(reply.status);
    writer.field("Date", date());
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
