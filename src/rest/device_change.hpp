// What an operator changes of a device, from JSON or CSV, and many such changes at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "ota/wire/json_fields.hpp"
#include "rest/context.hpp"

namespace ota::rest {

inline constexpr std::size_t kLongestTagName = 64;
inline constexpr std::size_t kLongestTag = 256;
inline constexpr std::size_t kTokenBytes = 32;

inline constexpr const char* kNoChannelName = "is no name of a channel";

/// `hardware`, `channel` and `tags`: absent fields are unchanged, `null` clears (RFC 7396). Errors are added to `fields`.
engine::DeviceChange change_of(wire::JsonFields& fields, std::string device);

/// Adds an error to `field` where the name or the value of a tag is none.
void check_tag(const std::string& field, const std::string& name, const std::string& value, wire::FieldErrors& errors);

/// What the device is after the change, by the rules of the engine. Errc::malformed: too many tags.
Result<Device> changed(Device device, const engine::DeviceChange& change);

/// Changes in one batch: as many as the engine takes into one commit, while other commands go between batches.
inline constexpr std::size_t kBatch = 200;

/// Waits for `count` commands, of which `send(i, done)` sends one; their results in that order. `count` > 0.
template <class T>
boost::asio::awaitable<std::vector<Result<T>>> all_of(std::size_t count,
                                                      std::function<void(std::size_t, engine::Done<T>)> send) {
  using Results = std::vector<Result<T>>;
  struct Batch {
    Results results;
    std::atomic<std::size_t> left;
    std::function<void(Results)> done;
  };
  std::function<void(std::function<void(Results)>)> start = [count, send = std::move(send)](auto done) {
    auto batch = std::make_shared<Batch>();
    batch->results.resize(count);
    batch->left = count;
    batch->done = std::move(done);
    for (std::size_t i = 0; i < count; ++i)
      send(i, [batch, i](Result<T> result) {
        batch->results[i] = std::move(result);
        if (--batch->left == 0) batch->done(std::move(batch->results));
      });
  };
  auto waiting = http::await_call<Results>(std::move(start));
  co_return co_await std::move(waiting);
}

using Changed = Result<engine::PutDevice>;
/// Sends the changes as one batch; not empty.
boost::asio::awaitable<std::vector<Changed>> change_all(Context& context, std::vector<engine::DeviceChange> changes,
                                                        Caller caller);

}  // namespace ota::rest
