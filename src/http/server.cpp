#include "ota/http/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "http/listen_address.hpp"
#include "http/open_count.hpp"
#include "http/session.hpp"
#include "http/tls_context.hpp"
#include "http/worker.hpp"
#include "ota/base/fault.hpp"
#include "ota/base/log.hpp"
#include "ota/base/mutex.hpp"
#include "ota/http/await.hpp"

namespace ota::http {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::chrono::milliseconds kShortestTick{20};
constexpr std::chrono::milliseconds kLongestTick{500};
/// How long handlers may take to notice that they were cut.
constexpr std::chrono::seconds kCutTime{5};

struct Listener {
  Listener(tcp::acceptor opened, std::shared_ptr<const SessionContext> shared, std::optional<TlsOptions> options,
           std::shared_ptr<asio::ssl::context> secured)
      : acceptor(std::move(opened)),
        context(std::move(shared)),
        tls_options(std::move(options)),
        tls(std::move(secured)) {}

  tcp::acceptor acceptor;
  std::shared_ptr<const SessionContext> context;
  std::optional<TlsOptions> tls_options;
  Mutex mutex;
  std::shared_ptr<asio::ssl::context> tls OTA_GUARDED_BY(mutex);

  std::shared_ptr<asio::ssl::context> current_tls() {
    const MutexLock lock(mutex);
    return tls;
  }
};

std::vector<std::unique_ptr<Worker>> make_workers(const ServerOptions& options) {
  const unsigned threads = options.threads > 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  const auto tick = std::clamp<std::chrono::milliseconds>(options.idle_timeout / 20, kShortestTick, kLongestTick);
  std::vector<std::unique_ptr<Worker>> workers;
  for (unsigned i = 0; i < threads; ++i) workers.push_back(std::make_unique<Worker>(i, tick));
  return workers;
}

class ServerImpl final : public Server {
 public:
  explicit ServerImpl(ServerOptions options)
      : options_(options), workers_(make_workers(options)), refill_timer_(workers_.front()->io()) {}

  ~ServerImpl() override { stop_once(std::chrono::milliseconds(0)); }

  Result<std::string> listen(const std::string& address, Handler handler, std::optional<TlsOptions> tls) override {
    auto acceptor = open_listener(workers_.front()->io(), address);
    if (!acceptor) return acceptor.error();
    boost::system::error_code ec;
    const auto local = acceptor->local_endpoint(ec);
    auto context = std::make_shared<SessionContext>(SessionContext{options_, std::move(handler), &limiter_});
    std::shared_ptr<asio::ssl::context> secured;
    if (tls) {
      auto made = make_tls_context(*tls);
      if (!made) return made.error();
      secured = *made;
    }
    auto listener =
        std::make_shared<Listener>(std::move(*acceptor), std::move(context), std::move(tls), std::move(secured));
    {
      const MutexLock lock(mutex_);
      listeners_.push_back(listener);
    }
    auto accepting = accept(listener, to_text(local));
    accepting_.opened();
    asio::co_spawn(workers_.front()->io(), std::move(accepting), [this](std::exception_ptr fault) {
      if (fault) log::error(fmt::format("http: a listener ended: {}", describe_exception(fault)));
      accepting_.closed();
    });
    return to_text(local);
  }

  void start() override {
    for (auto& worker : workers_) worker->run();
    started_ = true;
  }

  void set_rates(const DownloadRates& rates) override { limiter_.set(rates, std::chrono::steady_clock::now()); }

  bool may_send(const Bandwidth& bandwidth, std::size_t wanted, std::function<void(std::size_t)> granted) override {
    if (!limiter_.limits(bandwidth)) return true;
    limiter_.acquire(bandwidth, wanted, std::chrono::steady_clock::now(), std::move(granted));
    return false;
  }

  Result<void> reload_tls() override {
    const MutexLock lock(mutex_);
    std::vector<std::shared_ptr<asio::ssl::context>> fresh;
    for (const auto& listener : listeners_) {
      if (!listener->tls_options) {
        fresh.emplace_back();
        continue;
      }
      auto made = make_tls_context(*listener->tls_options);
      if (!made) return made.error();
      fresh.push_back(*made);
    }
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      const MutexLock leaf(listeners_[i]->mutex);
      listeners_[i]->tls = fresh[i];
    }
    return {};
  }

  void stop(std::chrono::milliseconds grace) override { stop_once(grace); }

  ServerCounters counters() const override {
    ServerCounters sum;
    sum.connections_open = open_->count();
    sum.connections_total = accepted_.get();
    sum.connections_refused = refused_.get();
    for (const auto& worker : workers_) {
      sum.requests_total += worker->requests.get();
      sum.file_bytes_sent += worker->file_bytes.get();
    }
    const MutexLock lock(mutex_);
    for (const auto& listener : listeners_) {
      const auto tls = listener->current_tls();
      const auto end = tls ? certificate_end(*tls) : std::nullopt;
      if (end && end < sum.certificate_end.value_or(INT64_MAX)) sum.certificate_end = end;
    }
    return sum;
  }

 private:
  /// Nothing that goes wrong with one connection ends it: that is logged, and the next one is waited for.
  asio::awaitable<void> accept(std::shared_ptr<Listener> listener, std::string address) {
    asio::steady_timer pause(workers_.front()->io());
    for (std::size_t turn = 0; listener->acceptor.is_open(); ++turn) {
      std::string trouble;
      try {
        auto accepting = accept_one(listener, turn);
        trouble = co_await std::move(accepting);
      } catch (...) {
        trouble = describe_exception(std::current_exception());
      }
      if (trouble.empty()) continue;
      log::error(fmt::format("http: can't accept a connection on {}: {}", address, trouble));
      boost::system::error_code ignored;
      pause.expires_after(std::chrono::milliseconds(200));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }

  /// Answers what went wrong, if something did.
  asio::awaitable<std::string> accept_one(const std::shared_ptr<Listener>& listener, std::size_t turn) {
    Worker& worker = *workers_[turn % workers_.size()];
    boost::system::error_code ec;
    tcp::endpoint peer;
    tcp::socket socket =
        co_await listener->acceptor.async_accept(worker.io(), peer, asio::redirect_error(asio::use_awaitable, ec));
    if (ec == asio::error::operation_aborted || ec == asio::error::connection_aborted) co_return std::string();
    if (ec) co_return ec.message() + "; raise the limit of open files (LimitNOFILE)";
    accepted_.add(1);
    OpenPlace place(open_);
    bool room = place.before() < options_.max_connections;
    if (!room) {
      auto making = make_room(turn);
      room = co_await std::move(making);
    }
    hand_over(worker, listener, std::move(place), std::move(socket), peer, room);
    co_return std::string();
  }

  /// Ends a connection that others wait for, of the newcomer's own worker where there is one.
  asio::awaitable<bool> make_room(std::size_t turn) {
    std::size_t unproven = 0;
    for (const auto& worker : workers_) unproven += worker->unproven();
    const bool crowded = unproven > options_.max_connections / 2;
    for (const Yields kind : {Yields::overdue, Yields::idle, Yields::unread, Yields::unproven}) {
      for (std::size_t i = 0; i < workers_.size(); ++i) {
        Worker& asked = *workers_[(turn + i) % workers_.size()];
        std::function<void(std::function<void(bool)>)> ask = [&asked, kind, crowded](std::function<void(bool)> done) {
          asio::post(asked.io(),
                     [&asked, kind, crowded, done = std::move(done)] { done(asked.end_one(kind, crowded)); });
        };
        auto asking = await_call<bool>(std::move(ask));
        const bool ended = co_await std::move(asking);
        if (ended) co_return true;
      }
    }
    co_return false;
  }

  void hand_over(Worker& worker, const std::shared_ptr<Listener>& listener, OpenPlace place, tcp::socket socket,
                 const tcp::endpoint& peer, bool room) {
    auto tls = listener->current_tls();
    if (!room) {
      refused_.add(1);
      asio::post(worker.io(), [&worker, secured = tls != nullptr, socket = std::move(socket)]() mutable {
        worker.refuse(std::move(socket), secured);
      });
      return;
    }
    auto session = std::make_shared<Session>(worker, listener->context, std::move(place), std::move(socket),
                                             std::move(tls), to_text(peer));
    // Counted now: a worker may take long to start it, and a burst has to be seen before.
    worker.expects();
    asio::post(worker.io(), [&worker, session = std::move(session)] {
      session->start();
      worker.started();
    });
  }

  /// On the first worker's thread.
  void refill_limiter() {
    if (limiter_stopped_) return;
    refill_timer_.expires_after(BandwidthLimiter::kRefillEvery);
    refill_timer_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec && limiter_.refill(std::chrono::steady_clock::now())) refill_limiter();
    });
  }

  void stop_once(std::chrono::milliseconds grace) {
    const MutexLock stopping(stop_mutex_);
    if (stopped_) return;
    stopped_ = true;
    asio::post(workers_.front()->io(), [this] {
      const MutexLock lock(mutex_);
      boost::system::error_code ignored;
      for (const auto& listener : listeners_) listener->acceptor.close(ignored);
    });
    if (started_) {
      // Before the connections are ended: one that was accepted later would be neither ended nor waited for.
      accepting_.wait_for_none(kCutTime);
      for (auto& worker : workers_) asio::post(worker->io(), [&worker = *worker] { worker.drain(); });
      if (!open_->wait_for_none(grace)) {
        for (auto& worker : workers_) asio::post(worker->io(), [&worker = *worker] { worker.cut(); });
      }
    }
    const bool all_ended = !started_ || open_->wait_for_none(kCutTime);
    if (!all_ended) {
      log::error(
          fmt::format("http: {} connections have handlers that don't end; they are abandoned", open_->count()));
    }
    asio::post(workers_.front()->io(), [this] {
      limiter_stopped_ = true;
      refill_timer_.cancel();
    });
    for (auto& worker : workers_) worker->end(!all_ended);
    for (auto& worker : workers_) worker->join();
  }

  const ServerOptions options_;
  Mutex stop_mutex_;  // held while stop() waits; nothing else takes it
  bool stopped_ OTA_GUARDED_BY(stop_mutex_) = false;
  std::atomic<bool> started_{false};
  std::shared_ptr<OpenCount> open_ = std::make_shared<OpenCount>();  // connections
  OpenCount accepting_;                                              // accept loops
  Counter accepted_;                                                 // written by the first worker
  Counter refused_;                                                  // the same
  BandwidthLimiter limiter_{[this] { asio::post(workers_.front()->io(), [this] { refill_limiter(); }); }};
  std::vector<std::unique_ptr<Worker>> workers_;
  asio::steady_timer refill_timer_;  // this and the next: the first worker's
  bool limiter_stopped_ = false;
  mutable Mutex mutex_;                                                              // a listener's is taken inside it
  std::vector<std::shared_ptr<Listener>> listeners_ OTA_GUARDED_BY(mutex_);  // acceptors: the first worker's
};

}  // namespace

std::unique_ptr<Server> Server::create(ServerOptions options) { return std::make_unique<ServerImpl>(options); }

}  // namespace ota::http
