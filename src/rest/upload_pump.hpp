// Moves a request's body onto the disk: while one buffer is written, the next is read.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ota/base/mutex.hpp"
#include "ota/firmware/store.hpp"
#include "ota/http/message.hpp"

namespace ota::rest {

/// One upload's disk work, a step at a time, on the store's disk threads. Owns the Upload, and so does a step in
/// progress: the caller may be destroyed at any time, and an upload that wasn't committed then leaves no file.
/// One coroutine uses it; every start() is followed by a wait().
class DiskSteps {
 public:
  DiskSteps(firmware::Store& store, std::unique_ptr<firmware::Upload> upload);

  using Step = std::function<Result<void>(firmware::Upload&)>;
  /// wait() returns Errc::overloaded if the disk threads are busy, and rethrows the step's exceptions.
  void start(Step step);
  boost::asio::awaitable<Result<void>> wait();
  /// Both in one.
  boost::asio::awaitable<Result<void>> run(Step step);

 private:
  struct Outcome {
    Result<void> result{};
    std::exception_ptr fault{};  ///< the step's exception
  };
  struct State {
    std::unique_ptr<firmware::Upload> upload;
    Mutex mutex;
    std::optional<Outcome> outcome OTA_GUARDED_BY(mutex);
    std::function<void(Outcome)> waiting OTA_GUARDED_BY(mutex);
  };
  static void finish(const std::shared_ptr<State>& state, Outcome outcome);

  firmware::Store& store_;
  std::shared_ptr<State> state_;
};

/// Writes the whole body to the upload. Errc::too_large beyond `limit` bytes, Errc::cancelled if the client
/// disconnected, and the errors of the store.
boost::asio::awaitable<Result<void>> pump_body(http::Request& request, DiskSteps& steps, std::uint64_t limit);

}  // namespace ota::rest
