#include "http/session.hpp"

#include <fmt/format.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "http/scratch.hpp"
#include "ota/base/fault.hpp"
#include "ota/base/log.hpp"
#include "ota/http/problem.hpp"

namespace ota::http {
namespace asio = boost::asio;

namespace {

/// How long and how much a peer may still send after the end of the last reply, before the connection is closed.
constexpr std::chrono::milliseconds kLingerTime{2000};
constexpr std::size_t kLingerBytes = 256 * 1024;

/// Interval between two samples of the TCP statistics.
constexpr std::chrono::milliseconds kMeterTime{1000};

std::string_view refusal_code(unsigned status) {
  switch (status) {
    case 414:
      return "target_too_long";
    case 417:
      return "expectation_failed";
    case 431:
      return "header_too_large";
    case 501:
      return "not_implemented";
    case 505:
      return "version_not_supported";
    default:
      return "bad_request";
  }
}

}  // namespace

Session::Session(Worker& worker, std::shared_ptr<const SessionContext> context, OpenPlace place,
                 asio::ip::tcp::socket socket, std::shared_ptr<asio::ssl::context> tls, std::string remote)
    : worker_(worker),
      place_(std::move(place)),
      context_(std::move(context)),
      peer_{std::move(remote), {}},
      deadline_(worker.now(), worker.ticks(context_->options.idle_timeout), worker.tick_seconds()),
      tcp_info_(socket.native_handle()),
      stream_(tls ? make_tls_stream(std::move(socket), std::move(tls)) : make_plain_stream(std::move(socket))),
      input_(context_->options.max_header_bytes) {}

Session::~Session() {
  worker_.goes_on(*this);
  stream_.reset();
}

void Session::start() {
  worker_.track(*this);
  worker_.owes(*this);
  auto self = shared_from_this();
  auto coroutine = run(self);
  asio::co_spawn(worker_.io(), std::move(coroutine),
                 asio::bind_cancellation_slot(cut_.slot(), [self = std::move(self)](std::exception_ptr fault) {
                   if (fault)
                     log::error(fmt::format("http: connection of {} dropped: {}", self->peer_.remote,
                                            describe_exception(fault)));
                 }));
}

void Session::on_tick() {
  if (stats_listener_ && worker_.now() - tcp_info_read_ >= worker_.ticks(kMeterTime)) read_stats(!replying_);
  if (follows_ && !deadline_.suspended()) follow_peer();
  if (streaming_ && streaming_->overrun()) return end_stream(true);
  if (!deadline_.passed()) return;
  if (streaming_) return end_stream(under_way_);
  deadline_.suspend();
  // Unsent bytes are discarded after that time.
  stream_->cut(under_way_);
}

/// What counts is what the peer moved: the kernel takes much more than a slow one reads in its time.
void Session::follow_peer() {
  const auto flow = tcp_info_.flow();
  under_way_ = flow && flow->under_way;
  if (streaming_) {
    // Between two pieces it waits for nothing, once the peer has all of the ones before.
    if (flow && flow->left) return end_stream(false);
    if (awaits_piece_ && !under_way_) return deadline_.touch();
    return deadline_.moved(flow ? flow->bytes : 0);
  }
  follows_ = under_way_ || !(finishing_ || resting_);
  if (follows_)
    deadline_.moved(flow ? flow->bytes : 0);
  else if (finishing_)  // it has all of the last reply, as in the next case
    deadline_.shorten(worker_.ticks(kLingerTime));
  else
    deadline_.touch();
}

/// `replied`: once the peer has all of the reply, nobody has to hear any more.
void Session::read_stats(bool replied) {
  tcp_info_read_ = worker_.now();
  const auto reading = tcp_info_.read();
  const auto listener = stats_listener_;
  if (!reading || (replied && !reading->under_way)) stats_listener_.reset();
  if (reading) listener->on_stats(reading->stats);
}

void Session::on_drain() {
  if (resting_) stream_->cut(false);
}

void Session::on_give_way() {
  log::debug(fmt::format("http: connection of {} closed to make room for another", peer_.remote));
  if (streaming_) return end_stream(true);
  deadline_.suspend();
  // What a peer doesn't take is discarded.
  stream_->cut(writing_ && under_way_);
}

void Session::begin_reply() {
  deadline_.touch();
  writing_ = true;
  worker_.replies(*this);
}

void Session::on_cut() {
  stream_->cut(false);
  cut_.emit(asio::cancellation_type::terminal);
}

// All in one, because this frame and those below it are what an idle connection costs.
asio::awaitable<void> Session::run(std::shared_ptr<Session> self) {
  Session& s = *self;
  try {
    s.deadline_.shorten(s.worker_.ticks(s.context_->options.head_timeout));
    s.follows_ = true;
    bool more = co_await s.stream_->handshake();
    if (!more) co_return;
    s.peer_.client_name = s.stream_->client_name();
    while (more && !s.worker_.draining()) {
      if (s.input_.unread().empty()) {
        s.deadline_.touch();
        s.resting_ = true;
        if (s.proven) s.worker_.rests(s);
        const std::size_t got = co_await s.stream_->read_some(s.input_.head_room());
        s.resting_ = false;
        if (s.proven) s.worker_.goes_on(s);
        if (got == 0) break;
        s.input_.received(got);
      }
      // All of the head has to be there in time.
      s.deadline_.shorten(s.worker_.ticks(s.context_->options.head_timeout));
      more = co_await s.serve_request();
    }
    co_await s.finish();
  } catch (const std::exception& error) {
    log::debug(fmt::format("http: connection of {} dropped: {}", s.peer_.remote, error.what()));
  }
}

asio::awaitable<bool> Session::serve_request() {
  follows_ = false;
  under_way_ = false;
  const auto owned =
      std::make_unique<IncomingRequest>(*stream_, input_, deadline_, peer_, context_->options.max_target_bytes);
  IncomingRequest& request = *owned;
  auto head = request.parse_head();
  if (head == IncomingRequest::Head::open && proven) worker_.owes(*this);
  for (; head == IncomingRequest::Head::open; head = request.parse_head()) {
    const std::size_t got = co_await stream_->read_some(input_.head_room());
    if (got == 0) co_return false;
    input_.received(got);
  }
  worker_.requests.add(1);
  follows_ = true;

  if (head == IncomingRequest::Head::refused) {
    auto refusing = refuse_head(request);
    co_await std::move(refusing);
    co_return false;
  }

  deadline_.touch();
  deadline_.suspend();
  if (request.body_ended()) {
    worker_.goes_on(*this);
  } else if (proven) {
    worker_.owes(*this);
  }
  Reply reply;
  std::exception_ptr fault;
  try {
    auto handling = context_->handler(request);
    reply = co_await std::move(handling);
  } catch (...) {
    fault = std::current_exception();
  }
  worker_.goes_on(*this);
  if (fault) reply = reply_to_fault(request, fault);
  bool keep = request.can_drain() && !reply.close && request.parser().keep_alive() && !worker_.draining();
  linger_ = !keep;
  begin_reply();
  keep = keep && !reply.stream;
  auto writing = reply.stream ? write_stream(request, reply)
                 : reply.file ? write_file(request, reply, keep)
                              : write_plain(request, reply, keep);
  keep = co_await std::move(writing) && keep;
  writing_ = false;
  worker_.goes_on(*this);
  if (keep && !request.body_ended()) {
    reply = {};  // may hold a file
    deadline_.touch();
    worker_.owes(*this);
    keep = co_await request.drain();
    worker_.goes_on(*this);
    linger_ = !keep;
  }
  if (keep) input_.finish_request();
  proven = true;
  co_return keep;
}

asio::awaitable<void> Session::refuse_head(const IncomingRequest& request) {
  const unsigned status = request.refusal();
  log::debug(fmt::format("http: {} answered {}: {}", peer_.remote, status, request.refusal_detail()));
  linger_ = true;
  begin_reply();
  const Reply refusal = problem({status, refusal_code(status), reason_phrase(status), request.refusal_detail()});
  auto writing = write_plain(request, refusal, false);
  co_await std::move(writing);
}

Reply Session::reply_to_fault(const IncomingRequest& request, const std::exception_ptr& fault) const {
  // A cut connection's handler ends by cancellation; the reply goes nowhere and nothing is wrong.
  if (!worker_.draining()) {
    log::error(fmt::format("http: {} {} from {} failed with an internal error: {}", to_string(request.method()),
                           request.path(), peer_.remote, describe_exception(fault)));
  }
  Reply reply = problem({500, "server_fault", kServerFault,
                         "the server failed on this request; its log has the reason"});
  reply.close = true;
  return reply;
}

asio::awaitable<void> Session::finish() {
  // `this` is cut by on_tick() where the peer doesn't take part.
  begin_reply();
  finishing_ = true;
  follows_ = true;
  co_await stream_->finish();
  if (!linger_) co_return;
  // Closed with bytes unread, the kernel would send a reset that can overtake the reply (RFC 9112, 9.6).
  for (std::size_t dropped = 0; dropped < kLingerBytes;) {
    const std::size_t got = co_await stream_->read_some(scratch());
    if (got == 0) co_return;
    dropped += got;
  }
}

}  // namespace ota::http
