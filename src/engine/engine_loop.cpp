#include "engine/engine_loop.hpp"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "engine/task_service.hpp"
#include "ota/base/fault.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

using std::chrono::steady_clock;

constexpr Millis kLongestSleep{1'000};  // keeps last_turn young for the watchdog

/// No exception of `work` ends the thread; `what` is what failed.
template <class Work>
void fenced(const char* what, Work&& work) {
  try {
    work();
  } catch (...) {
    log::error(std::string(what) + " failed: " + describe_exception(std::current_exception()));
  }
}

}  // namespace

EngineLoop::EngineLoop(storage::Backend& storage, const Options& options, const Clock& clock, Random& random,
                       Images& images, DeviceNotifier& notifier)
    : storage_(storage),
      options_(options),
      clock_(clock),
      random_(random),
      images_(images),
      notifier_(notifier),
      queue_(options.max_waiting),
      transfers_(clock),
      idle_polls_(clock) {
  counters_.max_waiting = options.max_waiting;
}

EngineLoop::~EngineLoop() { stop(); }

void EngineLoop::start() {
  thread_ = std::thread([this] { loop(); });
  pthread_setname_np(thread_.native_handle(), "otad-engine");
  later([](TaskService& service) {
    service.events.server(EventType::server_started);
    service.lifecycle.resume_active();
  });
}

void EngineLoop::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

void EngineLoop::send(Command command) {
  const auto put = queue_.put(command);
  if (put == CommandQueue::Put::taken) return;
  if (put == CommandQueue::Put::closed) return refuse(command, fail(Errc::cancelled, "the server is stopping"));
  refused_.fetch_add(1, std::memory_order_relaxed);
  auto full = fail(Errc::overloaded, "too many commands are waiting: try again later");
  full.retry_after_s = spread_s();
  refuse(command, std::move(full));
}

void EngineLoop::later(std::function<void(TaskService&)> job) {
  Command command{std::move(job), [](const Error&) {}};
  queue_.put(command, true);
}

void EngineLoop::apply(const Options& options) {
  const MutexLock lock(mutex_);
  options_ = options;
  options_changed_ = true;
}

void EngineLoop::image_damaged(const Digest& image) {
  image_events_.note_damaged(image);
  queue_.wake();
}

void EngineLoop::image_changed(const Digest& image) {
  image_events_.note_changed(image);
  queue_.wake();
}

void EngineLoop::image_hashed(const firmware::Stored& image) {
  image_events_.note_hashed(image);
  queue_.wake();
}

void EngineLoop::image_unneeded(const Digest& image) {
  image_events_.note_unneeded(image);
  queue_.wake();
}

/// Says no; what the caller makes of that ends nothing here.
void EngineLoop::refuse(Command& command, Error error) {
  fenced("a callback for a refusal", [&] { command.failed(std::move(error)); });
}

Stats EngineLoop::stats() const {
  const auto waiting = queue_.size();
  const MutexLock lock(mutex_);
  auto stats = published_;
  stats.waiting = waiting;
  stats.refused = refused_.load(std::memory_order_relaxed);
  stats.last_turn = Millis{last_turn_.load(std::memory_order_relaxed)};
  return stats;
}

Options EngineLoop::options() const {
  const MutexLock lock(mutex_);
  return options_;
}

void EngineLoop::loop() {
  while (!queue_.done()) fenced("a cycle of the engine", [this] { step(next_turn()); });
  if (!service_) return;
  fenced("the last cycle of the engine", [this] {
    std::vector<Command> last{{[](TaskService& service) {
                                 service.progress.flush();
                                 service.housekeeping.run();
                               },
                               [](const Error&) {}}};
    turn(last);
  });
}

void EngineLoop::step(steady_clock::time_point until) {
  last_turn_.store(clock_.steady().count(), std::memory_order_relaxed);
  auto commands = queue_.take(until, options().max_batch);
  if (!service_ && !reopen()) {
    for (auto& command : commands) refuse(command, unwritable());
    return;
  }
  if (!turn(commands)) reopen();
}

steady_clock::time_point EngineLoop::next_turn() {
  auto wait = service_ ? kLongestSleep : kReopenEvery;
  if (service_) {
    if (slots_held_ > 0) wait = kFirstChunkWaits;
    if (timer_) wait = std::clamp(*timer_ - service_->clock().now(), Millis{0}, wait);
  }
  return steady_clock::now() + wait;
}

void EngineLoop::publish(std::string fault) {
  const MutexLock lock(mutex_);
  published_ = service_ ? service_->stats : counters_;
  if (service_) published_.slots_held = slots_held_;
  published_.slots = options_.tasks.max_active;
  published_.fault = std::move(fault);
}

bool EngineLoop::take_new_options() {
  const MutexLock lock(mutex_);
  return std::exchange(options_changed_, false);
}

Error EngineLoop::unwritable() {
  auto error = fail(Errc::server_fault, "the database can't be written now: try again later");
  error.retry_after_s = spread_s();
  return error;
}

/// When to come back, for those who are refused together.
int EngineLoop::spread_s() { return 5 + static_cast<int>(random_.unit() * 25); }

}  // namespace ota::engine
