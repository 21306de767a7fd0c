#include "engine/engine_loop.hpp"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

using std::chrono::steady_clock;

constexpr Millis kFlushEvery{1'000};  // what the board knows is written down that often
// The first chunk of an attempt within this time, if no word of its device is decided before: a commit less for each.
constexpr Millis kFirstChunkWaits{100};
constexpr Millis kHousekeepingEvery{60'000};
constexpr Millis kHousekeepingOn{1'000};  // while more is left
constexpr Millis kReopenEvery{1'000};     // tries, while the database can't be written
constexpr Millis kLookAtLogEvery{500};    // whether it is long enough to be copied while nothing waits
constexpr Millis kLongestSleep{1'000};    // keeps last_turn young for the watchdog

void act(const Effect& effect) {
  try {
    effect();
  } catch (const std::exception& e) {
    log::error(std::string("an answer could not be given: ") + e.what());
  }
}

/// Says no; what the caller makes of that ends nothing here.
void refuse(Command& command, Error error) {
  try {
    command.failed(std::move(error));
  } catch (const std::exception& e) {
    log::error(std::string("a refusal could not be given: ") + e.what());
  }
}

/// Whether what was thrown is the database's fault, not that of one command.
bool breaks_unit(const std::exception& e) {
  const auto* fault = dynamic_cast<const storage::Fault*>(&e);
  return fault && fault->kind() != storage::Fault::Kind::constraint;
}

}  // namespace

EngineLoop::EngineLoop(std::string path, const Options& options, const Clock& clock, Random& random, Images& images,
               Courier& courier)
    : path_(std::move(path)),
      options_(options),
      clock_(clock),
      random_(random),
      images_(images),
      courier_(courier),
      let_go_(std::move(options_.let_go)),
      queue_(options.max_waiting),
      board_(clock) {}

EngineLoop::~EngineLoop() { stop(); }

Result<void> EngineLoop::open() {
  auto db = storage::Database::open(path_, storage::Mode::writer);
  if (!db) return db.error();
  try {
    db_ = std::move(db.value());
    service_ = std::make_unique<TaskService>(*db_, options(), clock_, random_, board_, images_, courier_,
                                       [this](std::function<void(TaskService&)> job) { later(std::move(job)); });
    service_->stats = counters_;
    service_->resync();
  } catch (const std::exception& e) {
    service_.reset();
    db_.reset();
    return fail(Errc::server_fault, "the database " + path_ + " can't be read: " + e.what());
  }
  return {};
}

void EngineLoop::start() {
  thread_ = std::thread([this] { loop(); });
  pthread_setname_np(thread_.native_handle(), "otad-engine");
  later([](TaskService& service) { service.lifecycle.resume_active(); });
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
  auto full = fail(Errc::overloaded, "too much waits to be decided: try again later");
  full.retry_after_s = spread_s();
  refuse(command, std::move(full));
}

void EngineLoop::later(std::function<void(TaskService&)> job) {
  Command command{std::move(job), [](const Error&) {}};
  queue_.put(command, true);
}

void EngineLoop::apply(const Options& options) {
  std::lock_guard lock(mutex_);
  options_ = options;
  options_changed_ = true;
}

void EngineLoop::image_damaged(const Digest& image) {
  image_events_.note_damaged(image);
  queue_.stir();
}

void EngineLoop::image_changed(const Digest& image) {
  image_events_.note_changed(image);
  queue_.stir();
}

void EngineLoop::image_unneeded(const Digest& image) {
  image_events_.note_unneeded(image);
  queue_.stir();
}

Stats EngineLoop::stats() const {
  std::lock_guard lock(mutex_);
  auto stats = published_;
  stats.waiting = queue_.size();
  stats.refused = refused_.load(std::memory_order_relaxed);
  stats.last_turn = Millis{last_turn_.load(std::memory_order_relaxed)};
  return stats;
}

Options EngineLoop::options() const {
  std::lock_guard lock(mutex_);
  return options_;
}

void EngineLoop::loop() {
  while (!queue_.done()) {
    try {
      step();
    } catch (const std::exception& e) {
      log::error(std::string("a turn of the engine failed: ") + e.what());
    }
  }
  if (service_) {
    std::vector<Command> last{{[](TaskService& service) {
                                 service.progress.flush();
                                 service.housekeeping.run();
                               },
                               [](const Error&) {}}};
    turn(last);
  }
}

void EngineLoop::step() {
  last_turn_.store(clock_.steady().count(), std::memory_order_relaxed);
  auto commands = queue_.take(next_turn(), options().max_batch);
  if (!service_ && !reopen()) {
    for (auto& command : commands) refuse(command, unwritable());
    return;
  }
  if (!turn(commands)) reopen();
}

steady_clock::time_point EngineLoop::next_turn() {
  auto wait = service_ ? kLongestSleep : kReopenEvery;
  if (service_) {
    if (service_->scheduler.slots() > 0) wait = kFirstChunkWaits;
    if (timer_) wait = std::clamp(*timer_ - service_->clock().now(), Millis{0}, wait);
  }
  return steady_clock::now() + wait;
}

/// One unit of work. False where the database must be opened afresh.
bool EngineLoop::turn(std::vector<Command>& commands) {
  auto& service = *service_;
  const auto counted = service.stats;
  std::vector<bool> undone(commands.size(), false);
  try {
    try {
      db_->begin();
      decide(service, commands, undone, false);
      chores(service);
    } catch (const std::exception& e) {
      if (breaks_unit(e)) throw;
      db_->rollback();
      service.stats = counted;
      service.drop_effects(0);
      image_events_.undone();
      db_->begin();
      service.discard();
      service.resync();
      decide(service, commands, undone, true);
      chores_apart(service);
    }
    const auto began = steady_clock::now();
    db_->commit();
    service.stats.commit_seconds += std::chrono::duration<double>(steady_clock::now() - began).count();
  } catch (const std::exception& e) {
    db_->rollback();
    image_events_.undone();
    counters_ = counted;
    ++counters_.commit_faults;
    log::error(std::string("the database can't be written: ") + e.what() +
               "; nothing of this was answered as done; check the disk (space, rights, errors)");
    close(e.what());
    for (std::size_t i = 0; i < commands.size(); ++i)
      if (!undone[i]) refuse(commands[i], unwritable());
    return false;
  }
  if (image_events_.committed()) queue_.stir();
  service.stats.commands += commands.size();
  service.stats.commits += commands.empty() ? 0 : 1;
  for (auto& effect : service.take_effects()) act(effect);
  publish({});
  return checkpoint(commands.size() <= 1);
}

/// What was committed lies in the write-ahead log; now and then it moves on. `few`: no more than one command was
/// decided. False where the disk failed a sync.
bool EngineLoop::checkpoint(bool few) {
  try {
    const auto now = steady_clock::now();
    const bool at_rest = few && queue_.size() == 0 && now - looked_at_log_ >= kLookAtLogEvery;
    if (at_rest) looked_at_log_ = now;
    if (db_->checkpoint_when_due(at_rest)) log_stays_ = false;
    return true;
  } catch (const storage::Fault& e) {
    const bool full = e.kind() == storage::Fault::Kind::disk_full;
    // The log keeps all that was committed, and grows until there is room.
    if (full && std::exchange(log_stays_, true)) return true;
    log::error(std::string("the write-ahead log can't be copied into the database: ") + e.what() +
               (full ? "; make room on its disk" : "; check the disk, the database is opened afresh"));
    if (full) return true;
    counters_ = service_->stats;
    ++counters_.commit_faults;
    distrusted_ = true;
    db_->distrust();
    close(e.what());
    return false;
  }
}

/// In one piece, so that what one of them throws undoes all; or each `apart` in a nested unit, which costs more: then
/// who fails is undone alone, and marked.
void EngineLoop::decide(TaskService& service, std::vector<Command>& commands, std::vector<bool>& undone, bool apart) {
  const auto stands = [&](Command& command) {
    if (apart) return run_apart(service, command);
    run(service, command);
    return true;
  };
  // Before the commands, so that an upload which heals an image comes after the word of its damage.
  if (image_events_.take()) {
    Command images{[this](TaskService& to) { image_events_.see_to(to); },
                   [this](const Error&) { image_events_.undone(); }};
    stands(images);
  }
  if (take_new_options()) service.set_options(options());
  for (std::size_t i = 0; i < commands.size(); ++i) undone[i] = !stands(commands[i]);
}

void EngineLoop::run(TaskService& service, Command& command) {
  service.set_clock();
  command.run(service);
  service.flush();
}

/// False where the command was undone; a fault of the database undoes the whole unit.
bool EngineLoop::run_apart(TaskService& service, Command& command) {
  const auto effects = service.effects();
  try {
    storage::Database::Savepoint savepoint(*db_);
    run(service, command);
    savepoint.release();
    return true;
  } catch (const std::exception& e) {
    if (breaks_unit(e)) throw;
    log::error(std::string("a command failed and was undone: ") + e.what());
    service.drop_effects(effects);
    service.discard();
    resync_ = true;
    refuse(command, fail(Errc::server_fault, "the server could not do this; its log says why"));
    return false;
  }
}

/// The engine's own work in a nested unit, after something threw: what it throws undoes it alone, and is logged once.
void EngineLoop::chores_apart(TaskService& service) {
  const auto effects = service.effects();
  try {
    storage::Database::Savepoint savepoint(*db_);
    chores(service);
    savepoint.release();
    chores_fault_.clear();
  } catch (const std::exception& e) {
    if (breaks_unit(e)) throw;
    if (std::exchange(chores_fault_, e.what()) != e.what())
      log::error(std::string("timers, progress and housekeeping failed and were undone: ") + e.what());
    service.drop_effects(effects);
    service.discard();
    resync_ = true;
    timer_.reset();
  }
}

void EngineLoop::chores(TaskService& service) {
  service.set_clock();
  if (std::exchange(resync_, false)) service.resync();
  const auto now = clock_.steady();
  if (now - flushed_ >= kFlushEvery) {
    service.progress.flush();
    flushed_ = looked_ = now;
  } else if (now - looked_ >= kFirstChunkWaits) {
    for (const auto task : board_.began(now - kFirstChunkWaits)) service.lifecycle.load(task);
    looked_ = now;
  }
  service.scheduler.run_timers();
  service.flush();
  if (now - kept_ >= kHousekeepingEvery) {
    const bool more = service.housekeeping.run();
    kept_ = more ? now - kHousekeepingEvery + kHousekeepingOn : now;
  }
  timer_ = service.scheduler.next_timer();
}

void EngineLoop::close(const std::string& why) {
  service_.reset();
  db_.reset();
  publish(why);
}

bool EngineLoop::reopen() {
  if (steady_clock::now() < reopen_after_) return false;
  reopen_after_ = steady_clock::now() + kReopenEvery;
  if (distrusted_ && let_go_) let_go_();
  distrusted_ = false;
  auto opened = open();
  if (opened) opened = prove();
  if (opened) {
    log::info("the database was opened afresh");
    later([](TaskService& service) { service.lifecycle.resume_active(); });
    return true;
  }
  publish(opened.error().message);
  return false;
}

/// That the disk takes and keeps what is written, before anything is answered on it: all of the write-ahead log once
/// more, and a commit.
Result<void> EngineLoop::prove() {
  try {
    db_->checkpoint_all();
    db_->begin();
    service_->housekeeping.keep_time();
    db_->commit();
    return {};
  } catch (const storage::Fault& e) {
    distrusted_ = e.kind() == storage::Fault::Kind::io;
    if (distrusted_) db_->distrust();
    service_.reset();
    db_.reset();
    return fail(Errc::server_fault, std::string("the database can't be written: ") + e.what());
  }
}

void EngineLoop::publish(std::string fault) {
  std::lock_guard lock(mutex_);
  published_ = service_ ? service_->stats : counters_;
  if (service_) published_.slots_held = service_->scheduler.slots();
  published_.fault = std::move(fault);
}

bool EngineLoop::take_new_options() {
  std::lock_guard lock(mutex_);
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
