// Moves a request's body onto the disk: while one buffer is written, the next is read.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ota/firmware/store.hpp"
#include "ota/http/message.hpp"

namespace ota::rest {

/// One upload's disk work, a step at a time, on the store's disk threads. Owns the Upload: a step that is under way
/// keeps it, so a caller may go away at any time, and what was not committed then leaves nothing.
/// One coroutine uses it; every start() is followed by a wait().
class DiskSteps {
 public:
  DiskSteps(firmware::Store& store, std::unique_ptr<firmware::Upload> upload);

  using Step = std::function<Result<void>(firmware::Upload&)>;
  /// Errc::overloaded, in wait(), where the disk threads have too much to do. What the step throws wait() throws.
  void start(Step step);
  boost::asio::awaitable<Result<void>> wait();
  /// Both in one.
  boost::asio::awaitable<Result<void>> run(Step step);

 private:
  struct Outcome {
    Result<void> result{};
    std::exception_ptr fault{};  ///< what the step threw
  };
  struct State {
    std::unique_ptr<firmware::Upload> upload;
    std::mutex mutex;
    std::optional<Outcome> outcome;        // protected by mutex
    std::function<void(Outcome)> waiting;  // protected by mutex
  };
  static void finish(const std::shared_ptr<State>& state, Outcome outcome);

  firmware::Store& store_;
  std::shared_ptr<State> state_;
};

/// The whole body into the upload. Errc::too_large beyond `limit` bytes, Errc::cancelled where the sender went away,
/// and what the store answers.
boost::asio::awaitable<Result<void>> pump_body(http::Request& request, DiskSteps& steps, std::uint64_t limit);

}  // namespace ota::rest
