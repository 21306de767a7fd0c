#include "events/event_stream.hpp"

#include <fmt/format.h>

#include <functional>
#include <stdexcept>
#include <utility>

#include "ota/http/await.hpp"

namespace ota::events {
namespace {

constexpr const char* kRetry = "retry: 3000\n\n";
constexpr const char* kComment = ":\n\n";
constexpr int kOlderAtOnce = 200;  // events of the database in one piece

/// What of the log there is.
struct Extent {
  std::int64_t oldest = 0;
  std::int64_t newest = 0;
};

/// Runs `job` on a reading thread; throws where the database can't be read, which ends the stream: its reader comes
/// again.
template <class T>
boost::asio::awaitable<T> read(storage::Readers& readers, std::function<T(storage::ReadView&)> job) {
  std::function<void(std::function<void(Result<T>)>)> start = [&readers, job = std::move(job)](auto done) {
    const auto failed = [done](Error error) { done(std::move(error)); };
    const bool taken = readers.post([job, done](storage::ReadView& view) { done(job(view)); }, failed);
    if (!taken) failed(fail(Errc::overloaded, "too many requests wait for the database"));
  };
  auto reading = http::await_call<Result<T>>(std::move(start));
  auto result = co_await std::move(reading);
  if (!result) throw std::runtime_error(result.error().message);
  co_return std::move(*result);
}

}  // namespace

boost::asio::awaitable<std::string> EventStream::next() {
  if (!std::exchange(begun_, true)) {
    auto beginning = begin();
    co_return co_await std::move(beginning);
  }
  const auto comment_at = Clock::now() + Feed::kComment;
  std::string text;
  for (;;) {
    const auto found = Clock::now() >= ends_ ? Feed::State::Found::stopped : feed_->take(position_, text);
    if (found == Feed::State::Found::stopped) co_return std::string();
    if (found == Feed::State::Found::text) {
      live_ = true;
      co_return text;
    }
    if (found == Feed::State::Found::older) {
      if (live_) {
        feed_->note_cut();
        co_return std::string();
      }
      auto reading = older();
      text = co_await std::move(reading);
      if (!text.empty()) co_return text;
      continue;
    }
    std::function<void(std::function<void(bool)>)> start = [this, comment_at](std::function<void(bool)> done) {
      feed_->wait(position_.after, comment_at, std::move(done));
    };
    auto waiting = http::await_call<bool>(std::move(start));
    const bool more = co_await std::move(waiting);
    if (!more) co_return kComment;
  }
}

/// Where it begins. What it asks for may be gone, or be of another database.
boost::asio::awaitable<std::string> EventStream::begin() {
  std::function<Extent(storage::ReadView&)> job = [](storage::ReadView& view) {
    return Extent{view.events.oldest(), view.events.newest()};
  };
  auto reading = read<Extent>(feed_->readers(), std::move(job));
  const auto extent = co_await std::move(reading);
  std::string text = kRetry;
  if (!since_) {
    position_.after = extent.newest;
  } else if (*since_ > extent.newest || *since_ + 1 < extent.oldest) {
    position_.after = *since_ > extent.newest ? extent.newest : extent.oldest - 1;
    text += fmt::format("event: gap\nid: {}\ndata: {{\"oldest\":{},\"newest\":{}}}\n\n", position_.after, extent.oldest,
                        extent.newest);
  }
  co_return text;
}

boost::asio::awaitable<std::string> EventStream::older() {
  std::function<storage::EventPage(storage::ReadView&)> job = [at = position_](storage::ReadView& view) {
    return view.events.list(at.filter, at.after, kOlderAtOnce);
  };
  auto reading = read<storage::EventPage>(feed_->readers(), std::move(job));
  const auto page = co_await std::move(reading);
  position_.after = page.last;
  std::string text;
  for (const auto& event : page.events) text += feed_->text_of(event);
  co_return text;
}

bool EventStream::overrun() const {
  if (!live_ || position_.after >= feed_->begin()) return false;
  feed_->note_cut();
  return true;
}

}  // namespace ota::events
