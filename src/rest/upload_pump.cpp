#include "rest/upload_pump.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "ota/http/await.hpp"

namespace ota::rest {
namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;

/// Fills the buffer from the body; it is shorter only at the end of the body.
boost::asio::awaitable<Result<std::size_t>> fill(http::Request& request, std::vector<char>& buffer) {
  std::size_t filled = 0;
  while (filled < buffer.size()) {
    const std::span<char> rest(buffer.data() + filled, buffer.size() - filled);
    auto count = co_await request.read_some(rest);
    if (!count) co_return count.error();
    if (*count == 0) break;
    filled += *count;
  }
  co_return filled;
}

}  // namespace

DiskSteps::DiskSteps(firmware::Store& store, std::unique_ptr<firmware::Upload> upload)
    : store_(store), state_(std::make_shared<State>()) {
  state_->upload = std::move(upload);
}

void DiskSteps::finish(const std::shared_ptr<State>& state, Outcome outcome) {
  std::function<void(Outcome)> waiting;
  {
    const MutexLock lock(state->mutex);
    if (state->waiting) {
      waiting = std::exchange(state->waiting, nullptr);
    } else {
      state->outcome = outcome;
    }
  }
  if (waiting) waiting(std::move(outcome));
}

void DiskSteps::start(Step step) {
  const bool taken = store_.on_disk_thread([state = state_, step = std::move(step)] {
    Outcome outcome;
    try {
      outcome.result = step(*state->upload);
    } catch (...) {
      outcome.fault = std::current_exception();
    }
    finish(state, std::move(outcome));
  });
  if (taken) return;
  finish(state_, {fail(Errc::overloaded, "the disk is overloaded; repeat the upload in a moment"), nullptr});
}

boost::asio::awaitable<Result<void>> DiskSteps::wait() {
  std::function<void(std::function<void(Outcome)>)> begin = [state = state_](auto done) {
    std::optional<Outcome> outcome;
    {
      const MutexLock lock(state->mutex);
      outcome = std::exchange(state->outcome, std::nullopt);
      if (!outcome) {
        state->waiting = std::move(done);
        return;
      }
    }
    done(std::move(*outcome));
  };
  auto waiting = http::await_call<Outcome>(std::move(begin));
  auto outcome = co_await std::move(waiting);
  if (outcome.fault) std::rethrow_exception(outcome.fault);
  co_return std::move(outcome.result);
}

boost::asio::awaitable<Result<void>> DiskSteps::run(Step step) {
  start(std::move(step));
  co_return co_await wait();
}

boost::asio::awaitable<Result<void>> pump_body(http::Request& request, DiskSteps& steps, std::uint64_t limit) {
  using Buffer = std::vector<char>;
  std::array<std::shared_ptr<Buffer>, 2> buffers{std::make_shared<Buffer>(kBufferBytes),
                                                 std::make_shared<Buffer>(kBufferBytes)};
  std::uint64_t total = 0;
  bool writing = false;
  for (std::size_t turn = 0;; turn ^= 1) {
    const auto& buffer = buffers[turn];
    auto filled = co_await fill(request, *buffer);
    if (writing) {
      auto written = co_await steps.wait();
      if (!written) co_return written.error();
    }
    if (!filled) co_return filled.error();
    if (*filled == 0) co_return Result<void>{};
    total += *filled;
    if (total > limit) co_return fail(Errc::too_large, fmt::format("the image has more than {} bytes", limit));
    DiskSteps::Step write = [buffer, length = *filled](firmware::Upload& upload) {
      return upload.write({buffer->data(), length});
    };
    steps.start(std::move(write));
    writing = true;
  }
}

}  // namespace ota::rest
