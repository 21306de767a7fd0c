#include "ota/events/feed.hpp"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "events/event_stream.hpp"
#include "events/feed_state.hpp"
#include "events/report_exception.hpp"
#include "ota/events/cloud_event.hpp"
#include "ota/wire/errors.hpp"

namespace ota::events {
namespace {

constexpr std::size_t kPiece = 64 * 1024;                    // of a stream, about
constexpr std::chrono::milliseconds kTick{500};              // looks for streams that get a comment
constexpr std::chrono::milliseconds kAfterFailure{1'000};    // reads of a database that can't be read
constexpr int kBusySeconds = 5;

template <class Waiters>
void call_all(Waiters waiters, bool more) {
  for (auto& waiter : waiters) {
    try {
      waiter.done(more);
    } catch (...) {
      report_exception("the event feed: calling a reader");
    }
  }
}

}  // namespace

void Feed::State::start() {
  thread_ = std::thread([this] { loop(); });
  pthread_setname_np(thread_.native_handle(), "otad-feed");
}

void Feed::State::stop() {
  std::vector<Waiter> waiters;
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
    waiters.swap(waiters_);
    changed_.notify_all();
  }
  call_all(std::move(waiters), true);
  if (thread_.joinable()) thread_.join();
}

void Feed::State::wake() {
  const MutexLock lock(mutex_);
  if (count_ == 0) return;
  wanted_ = true;
  changed_.notify_all();
}

bool Feed::State::join() {
  const MutexLock lock(mutex_);
  if (stopped_ || count_ == kMaxReaders) return false;
  if (count_++ == 0) wanted_ = true;
  changed_.notify_all();
  return true;
}

void Feed::State::leave() {
  const MutexLock lock(mutex_);
  if (--count_ == 0) clear();
}

Feed::State::Found Feed::State::take(Position& position, std::string& text) {
  const MutexLock lock(mutex_);
  if (stopped_) return Found::stopped;
  if (end_ == kUnknown) return Found::nothing;
  if (position.after < begin()) return Found::older;
  auto at = std::upper_bound(items_.begin(), items_.end(), position.after,
                             [](std::int64_t after, const Item& item) { return after < item.event.number; });
  for (; at != items_.end() && text.size() < kPiece; ++at) {
    position.after = at->event.number;
    if (position.filter.matches(at->event)) text += at->text;
  }
  if (at == items_.end()) position.after = std::max(position.after, end_);
  return text.empty() ? Found::nothing : Found::text;
}

void Feed::State::wait(std::int64_t after, Clock::time_point until, std::function<void(bool)> done) {
  {
    const MutexLock lock(mutex_);
    const bool more = stopped_ || (end_ != kUnknown && end_ > after);
    if (!more) {
      waiters_.push_back({until, std::move(done)});
      return;
    }
  }
  done(true);
}

FeedStats Feed::State::stats() const {
  const MutexLock lock(mutex_);
  return {count_, cut_.load(std::memory_order_relaxed)};
}

std::string Feed::State::text_of(const Event& event) const {
  return "id: " + std::to_string(event.number) + "\ndata: " + cloud_event(event, source_) + "\n\n";
}

void Feed::State::loop() {
  const MutexLock lock(mutex_);
  while (!stopped_) {
    auto until = Clock::now() + kTick;
    try {
      until = step(until);
    } catch (...) {
      report_exception("the event feed: looking for readers that wait");
    }
    if (!stopped_) changed_.wait_until(mutex_, until);
  }
}

Feed::State::Clock::time_point Feed::State::step(Clock::time_point until) {
  const auto now = Clock::now();
  if (wanted_ && !reading_ && count_ > 0) {
    if (now >= next_read_)
      read_more();
    else
      until = std::min(until, next_read_);
  }
  if (auto quiet = overdue(now); !quiet.empty()) {
    const MutexUnlock unlocked(mutex_);
    call_all(std::move(quiet), false);
  }
  return until;
}

void Feed::State::read_more() {
  wanted_ = false;
  reading_ = true;
  next_read_ = Clock::now() + kBetween;
  const auto after = end_;
  const auto job = [self = shared_from_this(), after](storage::ReadView& view) {
    const auto newest = view.events.newest();
    self->took(after == kUnknown ? storage::EventPage{{}, newest} : view.events.list({}, after, kReadAtOnce), newest);
  };
  // A refusal is an answer of this thread, which holds the mutex.
  const MutexUnlock unlocked(mutex_);
  bool taken = false;
  try {
    taken = readers_.post(job, [self = shared_from_this()](const Error&) { self->failed(); });
  } catch (...) {
    report_exception("the event feed: reading new events");
  }
  if (!taken) failed();
}

void Feed::State::took(const storage::EventPage& page, std::int64_t newest) {
  std::vector<Waiter> waiters;
  {
    const MutexLock lock(mutex_);
    reading_ = false;
    append(page, newest);
    waiters.swap(waiters_);
    changed_.notify_all();
  }
  call_all(std::move(waiters), true);
}

void Feed::State::append(const storage::EventPage& page, std::int64_t newest) {
  if (count_ == 0) return;
  if (end_ == kUnknown) {
    begin_ = newest;
    wanted_ = true;
  }
  for (const auto& event : page.events) {
    if (!items_.empty() && event.number <= items_.back().event.number) continue;  // of a read that failed half-way
    items_.push_back({event, text_of(event)});
    bytes_ += items_.back().text.size();
  }
  end_ = page.last;
  if (end_ < newest) wanted_ = true;
  while (bytes_ > kBufferBytes) {
    begin_ = std::max(begin(), items_.front().event.number);
    bytes_ -= items_.front().text.size();
    items_.pop_front();
  }
}

void Feed::State::failed() {
  const MutexLock lock(mutex_);
  reading_ = false;
  wanted_ = true;
  next_read_ = Clock::now() + kAfterFailure;
  changed_.notify_all();
}

void Feed::State::clear() {
  items_.clear();
  items_.shrink_to_fit();
  bytes_ = 0;
  end_ = kUnknown;
  begin_ = 0;
}

std::vector<Feed::State::Waiter> Feed::State::overdue(Clock::time_point now) {
  std::vector<Waiter> found;
  const auto late = std::partition(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return w.until > now; });
  found.reserve(static_cast<std::size_t>(waiters_.end() - late));  // nothing throws while they are moved
  std::move(late, waiters_.end(), std::back_inserter(found));
  waiters_.erase(late, waiters_.end());
  return found;
}

Feed::Feed(storage::Readers& readers, std::string source)
    : source_(std::move(source)), state_(std::make_shared<State>(readers, source_)) {
  state_->start();
}

Feed::~Feed() { stop(); }
void Feed::wake() { state_->wake(); }
void Feed::stop() { state_->stop(); }
FeedStats Feed::stats() const { return state_->stats(); }

Result<http::Reply> Feed::open(EventFilter filter, std::optional<std::int64_t> since) {
  if (!state_->join())
    return wire::overloaded("too many readers follow the events, or the server is stopping; try again later",
                            kBusySeconds);
  http::Reply reply;
  reply.content_type = "text/event-stream";
  reply.headers.push_back({"Cache-Control", "no-store"});
  reply.headers.push_back({"X-Accel-Buffering", "no"});
  reply.stream = std::make_shared<EventStream>(state_, std::move(filter), since);
  return reply;
}

}  // namespace ota::events
