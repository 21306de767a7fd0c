// Events for readers that follow them live: server-sent events (docs/events.md).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ota/base/result.hpp"
#include "ota/domain/event.hpp"
#include "ota/http/message.hpp"
#include "ota/storage/readers.hpp"

namespace ota::events {

/// What the feed does now.
struct FeedStats {
  std::size_t readers = 0;
  std::uint64_t cut = 0;  ///< readers that fell behind
};

/// One for the daemon. The events since some time ago lie in one buffer, from which all readers are served; who asks
/// for older ones reads them from the database first. Thread-safe.
class Feed {
 public:
  class State;  // src/events/feed_state.hpp
  static constexpr std::size_t kMaxReaders = 2'000;           ///< one more is answered Errc::overloaded
  static constexpr std::size_t kBufferBytes = 1024 * 1024;    ///< a reader that is further behind is cut off
  static constexpr std::chrono::milliseconds kBetween{20};    ///< reads of the database, at least
  static constexpr std::chrono::seconds kComment{15};         ///< a quiet stream gets a comment that often
  static constexpr std::chrono::hours kLongest{1};            ///< then a stream ends: its key may have been removed

  /// `readers` must outlive the streams. `source`: the events' CloudEvents attribute.
  Feed(storage::Readers& readers, std::string source);
  /// As stop().
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  /// There are new events in the database. Does not block.
  void wake();
  /// Ends all streams, and refuses further ones. Twice is once.
  void stop();

  /// The events that `filter` has, as a stream of server-sent events: those above `since`; without it those from now
  /// on.
  /// Errc::overloaded.
  Result<http::Reply> open(EventFilter filter, std::optional<std::int64_t> since);
  FeedStats stats() const;
  const std::string& source() const noexcept { return source_; }

 private:
  const std::string source_;
  const std::shared_ptr<State> state_;
};

}  // namespace ota::events
