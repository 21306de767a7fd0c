// One reader of the feed, as server-sent events (WHATWG HTML, 9.2).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "events/feed_state.hpp"
#include "ota/http/message.hpp"

namespace ota::events {

/// Has joined the feed, which it leaves when it goes. Used by its session.
class EventStream final : public http::BodyStream {
 public:
  EventStream(std::shared_ptr<Feed::State> feed, EventFilter filter, std::optional<std::int64_t> since)
      : feed_(std::move(feed)), position_{since.value_or(0), std::move(filter)}, since_(since) {}
  ~EventStream() override { feed_->leave(); }

  boost::asio::awaitable<std::string> next() override;
  bool overrun() const override;

 private:
  using Clock = std::chrono::steady_clock;

  boost::asio::awaitable<std::string> begin();
  boost::asio::awaitable<std::string> older();

  const std::shared_ptr<Feed::State> feed_;
  Position position_;
  const std::optional<std::int64_t> since_;
  const Clock::time_point ends_ = Clock::now() + Feed::kLongest;
  bool begun_ = false;
  bool live_ = false;  // it was served from the buffer
};

}  // namespace ota::events
