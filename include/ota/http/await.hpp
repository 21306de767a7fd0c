// Waiting in a coroutine for work that is done on another thread.
#pragma once

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace ota::http {

/// Runs `start(done)`; resumes the calling coroutine, on its own executor, with what `done` was called with. `done`
/// must be called exactly once, from any thread, and may be copied.
template <class T>
boost::asio::awaitable<T> await_call(std::function<void(std::function<void(T)>)> start) {
  namespace asio = boost::asio;
  auto initiate = [](auto handler, std::function<void(std::function<void(T)>)> begin) {
    auto executor = asio::get_associated_executor(handler);
    auto work = asio::make_work_guard(executor);
    auto shared = std::make_shared<std::decay_t<decltype(handler)>>(std::move(handler));
    begin([shared, work, executor](T value) mutable {
      asio::dispatch(executor, [shared = std::move(shared), value = std::move(value)]() mutable {
        std::move (*shared)(std::move(value));
      });
      work.reset();
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(T)>(std::move(initiate), asio::use_awaitable,
                                                                                std::move(start));
}

}  // namespace ota::http
