// Waiting in a coroutine for the result of another thread.
#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ota/base/mutex.hpp"

namespace ota::http {
namespace detail {

/// A coroutine that waits for a call; abandon() releases what keeps it alive.
class WaitingCall {
 public:
  virtual ~WaitingCall() = default;
  /// Called with the gate locked; the caller destroys the result after unlocking.
  virtual std::shared_ptr<void> abandon() = 0;
};

/// Synchronizes `done` of other threads with an execution context that may be destroyed: it is locked while a result is
/// posted; when the context shuts down, it is closed and its waiting coroutines are destroyed. No other lock inside.
struct CallGate {
  Mutex mutex;
  bool open OTA_GUARDED_BY(mutex) = true;
  std::unordered_set<WaitingCall*> waiting OTA_GUARDED_BY(mutex);
};

class CallGateService final : public boost::asio::execution_context::service {
 public:
  using key_type = CallGateService;
  static inline boost::asio::execution_context::id id;

  explicit CallGateService(boost::asio::execution_context& owner) : service(owner) {}
  const std::shared_ptr<CallGate>& gate() const { return gate_; }

 private:
  void shutdown() override {
    std::vector<std::shared_ptr<void>> abandoned;  // destroyed after unlocking: coroutines may own other calls
    const MutexLock lock(gate_->mutex);
    gate_->open = false;
    for (WaitingCall* call : gate_->waiting) abandoned.push_back(call->abandon());
    gate_->waiting.clear();
  }

  std::shared_ptr<CallGate> gate_ = std::make_shared<CallGate>();
};

template <class T, class Handler, class Executor>
class PendingCall final : public WaitingCall {
 public:
  PendingCall(Handler handler, const Executor& executor)
      : gate_(boost::asio::use_service<CallGateService>(boost::asio::query(executor, boost::asio::execution::context))
                  .gate()),
        handler_(std::make_shared<Handler>(std::move(handler))),
        executor_(executor),
        work_(boost::asio::prefer(executor, boost::asio::execution::outstanding_work.tracked)) {
    const MutexLock lock(gate_->mutex);
    gate_->waiting.insert(this);
  }

  ~PendingCall() override {
    finish(std::nullopt);
    const MutexLock lock(gate_->mutex);
    gate_->waiting.erase(this);
  }

  /// Without a value: the wait was cancelled, or `done` was destroyed without a call. Only the first call counts.
  void finish(std::optional<T> value) {
    const MutexLock lock(gate_->mutex);
    if (!handler_ || !gate_->open) return;
    // The work guard moves with it; otherwise the context could be destroyed while this thread uses it.
    boost::asio::post(
        *executor_, [handler = std::move(handler_), work = std::move(work_), value = std::move(value)]() mutable {
          std::exception_ptr error;
          if (!value)
            error = std::make_exception_ptr(boost::system::system_error(boost::asio::error::operation_aborted));
          Handler last = std::move(*handler);
          handler.reset();
          work.reset();
          std::move(last)(error, std::move(value));
        });
    handler_.reset();
    work_.reset();
    executor_.reset();
  }

  std::shared_ptr<void> abandon() override OTA_REQUIRES(gate_->mutex) {
    work_.reset();
    executor_.reset();
    return std::exchange(handler_, nullptr);
  }

 private:
  using Tracked = std::decay_t<decltype(boost::asio::prefer(std::declval<const Executor&>(),
                                                            boost::asio::execution::outstanding_work.tracked))>;

  const std::shared_ptr<CallGate> gate_;
  std::shared_ptr<Handler> handler_ OTA_GUARDED_BY(gate_->mutex);
  std::optional<Executor> executor_ OTA_GUARDED_BY(gate_->mutex);
  std::optional<Tracked> work_ OTA_GUARDED_BY(gate_->mutex);
};

struct StartCall {
  template <class Handler, class T>
  void operator()(Handler handler, std::function<void(std::function<void(T)>)> start) const {
    auto executor = boost::asio::get_associated_executor(handler);
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    using Pending = PendingCall<T, Handler, decltype(executor)>;
    auto pending = std::make_shared<Pending>(std::move(handler), executor);
    if (slot.is_connected()) {
      slot.assign([weak = std::weak_ptr<Pending>(pending)](boost::asio::cancellation_type) {
        if (const auto alive = weak.lock()) alive->finish(std::nullopt);
      });
    }
    start([pending = std::move(pending)](T value) { pending->finish(std::move(value)); });
  }
};

}  // namespace detail

/// Runs `start(done)`; resumes the calling coroutine, on its own executor, with the argument of `done`. `done`
/// may be called from any thread, before `start` returns or long after the executor's context is gone; may be copied;
/// only its first call counts. Throws boost::system::system_error (operation_aborted) in the coroutine if it is
/// cancelled (the server stops), or if every copy of `done` was destroyed without a call.
template <class T>
boost::asio::awaitable<T> await_call(std::function<void(std::function<void(T)>)> start) {
  auto pending =
      boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void(std::exception_ptr, std::optional<T>)>(
          detail::StartCall{}, boost::asio::use_awaitable, std::move(start));
  std::optional<T> value = co_await std::move(pending);
  co_return std::move(*value);
}

}  // namespace ota::http
