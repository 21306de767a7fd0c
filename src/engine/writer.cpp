#include "engine/writer.hpp"

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

Writer::Writer(std::string path, const Options& options, const Clock& clock, Random& random, Images& images,
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

Writer::~Writer() { stop(); }

Result<void> Writer::open() {
  auto db = storage::Database::open(path_, storage::Mode::writer);
  if (!db) return db.error();
  try {
    db_ = std::move(db.value());
    ledger_ = std::make_unique<Ledger>(*db_, options(), clock_, random_, board_, images_, courier_,
                                       [this](std::function<void(Ledger&)> job) { later(std::move(job)); });
    ledger_->stats = counters_;
    ledger_->resync();
  } catch (const std::exception& e) {
    ledger_.reset();
    db_.reset();
    return fail(Errc::server_fault, "the database " + path_ + " can't be read: " + e.what());
  }
  return {};
}

void Writer::start() {
  thread_ = std::thread([this] { loop(); });
  pthread_setname_np(thread_.native_handle(), "otad-engine");
  later([](Ledger& ledger) { ledger.resume_active(); });
}

void Writer::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

void Writer::send(Command command) {
  const auto put = queue_.put(command);
  if (put == CommandQueue::Put::taken) return;
  if (put == CommandQueue::Put::closed) return refuse(command, fail(Errc::cancelled, "the server is stopping"));
  refused_.fetch_add(1, std::memory_order_relaxed);
  auto full = fail(Errc::overloaded, "too much waits to be decided: try again later");
  full.retry_after_s = spread_s();
  refuse(command, std::move(full));
}

void Writer::later(std::function<void(Ledger&)> job) {
  Command command{std::move(job), [](const Error&) {}};
  queue_.put(command, true);
}

void Writer::apply(const Options& options) {
  std::lock_guard lock(mutex_);
  options_ = options;
  options_changed_ = true;
}

void Writer::image_damaged(const Digest& image) {
  image_notes_.note_damaged(image);
  queue_.stir();
}

void Writer::image_changed(const Digest& image) {
  image_notes_.note_changed(image);
  queue_.stir();
}

void Writer::image_unneeded(const Digest& image) {
  image_notes_.note_unneeded(image);
  queue_.stir();
}

Stats Writer::stats() const {
  std::lock_guard lock(mutex_);
  auto stats = published_;
  stats.waiting = queue_.size();
  stats.refused = refused_.load(std::memory_order_relaxed);
  stats.last_turn = Millis{last_turn_.load(std::memory_order_relaxed)};
  return stats;
}

Options Writer::options() const {
  std::lock_guard lock(mutex_);
  return options_;
}

void Writer::loop() {
  while (!queue_.done()) {
    try {
      step();
    } catch (const std::exception& e) {
      log::error(std::string("a turn of the engine failed: ") + e.what());
    }
  }
  if (ledger_) {
    std::vector<Command> last{{[](Ledger& ledger) {
                                 ledger.flush_board();
                                 ledger.housekeeping();
                               },
                               [](const Error&) {}}};
    turn(last);
  }
}

void Writer::step() {
  last_turn_.store(clock_.steady().count(), std::memory_order_relaxed);
  auto commands = queue_.take(next_turn(), options().max_batch);
  if (!ledger_ && !reopen()) {
    for (auto& command : commands) refuse(command, unwritable());
    return;
  }
  if (!turn(commands)) reopen();
}

steady_clock::time_point Writer::next_turn() {
  auto wait = ledger_ ? kLongestSleep : kReopenEvery;
  if (ledger_) {
    if (ledger_->slots() > 0) wait = kFirstChunkWaits;
    if (timer_) wait = std::clamp(*timer_ - ledger_->timeline().now(), Millis{0}, wait);
  }
  return steady_clock::now() + wait;
}

/// One unit of work. False where the database must be opened afresh.
bool Writer::turn(std::vector<Command>& commands) {
  auto& ledger = *ledger_;
  const auto counted = ledger.stats;
  std::vector<bool> undone(commands.size(), false);
  try {
    try {
      db_->begin();
      decide(ledger, commands, undone, false);
      chores(ledger);
    } catch (const std::exception& e) {
      if (breaks_unit(e)) throw;
      db_->rollback();
      ledger.stats = counted;
      ledger.drop_effects(0);
      image_notes_.undone();
      db_->begin();
      ledger.forget();
      ledger.resync();
      decide(ledger, commands, undone, true);
      chores_apart(ledger);
    }
    const auto began = steady_clock::now();
    db_->commit();
    ledger.stats.commit_seconds += std::chrono::duration<double>(steady_clock::now() - began).count();
  } catch (const std::exception& e) {
    db_->rollback();
    image_notes_.undone();
    counters_ = counted;
    ++counters_.commit_faults;
    log::error(std::string("the database can't be written: ") + e.what() +
               "; nothing of this was answered as done; check the disk (space, rights, errors)");
    close(e.what());
    for (std::size_t i = 0; i < commands.size(); ++i)
      if (!undone[i]) refuse(commands[i], unwritable());
    return false;
  }
  if (image_notes_.committed()) queue_.stir();
  ledger.stats.commands += commands.size();
  ledger.stats.commits += commands.empty() ? 0 : 1;
  for (auto& effect : ledger.take_effects()) act(effect);
  publish({});
  return checkpoint(commands.size() <= 1);
}

/// What was committed lies in the write-ahead log; now and then it moves on. `few`: no more than one command was
/// decided. False where the disk failed a sync.
bool Writer::checkpoint(bool few) {
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
    counters_ = ledger_->stats;
    ++counters_.commit_faults;
    distrusted_ = true;
    db_->distrust();
    close(e.what());
    return false;
  }
}

/// In one piece, so that what one of them throws undoes all; or each `apart` in a nested unit, which costs more: then
/// who fails is undone alone, and marked.
void Writer::decide(Ledger& ledger, std::vector<Command>& commands, std::vector<bool>& undone, bool apart) {
  const auto stands = [&](Command& command) {
    if (apart) return run_apart(ledger, command);
    run(ledger, command);
    return true;
  };
  // Before the commands, so that an upload which heals an image comes after the word of its damage.
  if (image_notes_.take()) {
    Command images{[this](Ledger& to) { image_notes_.see_to(to); }, [this](const Error&) { image_notes_.undone(); }};
    stands(images);
  }
  if (take_new_options()) ledger.set_options(options());
  for (std::size_t i = 0; i < commands.size(); ++i) undone[i] = !stands(commands[i]);
}

void Writer::run(Ledger& ledger, Command& command) {
  ledger.set_clock();
  command.run(ledger);
  ledger.write_down();
}

/// False where the command was undone; a fault of the database undoes the whole unit.
bool Writer::run_apart(Ledger& ledger, Command& command) {
  const auto effects = ledger.effects();
  try {
    storage::Database::Savepoint savepoint(*db_);
    run(ledger, command);
    savepoint.release();
    return true;
  } catch (const std::exception& e) {
    if (breaks_unit(e)) throw;
    log::error(std::string("a command failed and was undone: ") + e.what());
    ledger.drop_effects(effects);
    ledger.forget();
    resync_ = true;
    refuse(command, fail(Errc::server_fault, "the server could not do this; its log says why"));
    return false;
  }
}

/// The engine's own work in a nested unit, after something threw: what it throws undoes it alone, and is logged once.
void Writer::chores_apart(Ledger& ledger) {
  const auto effects = ledger.effects();
  try {
    storage::Database::Savepoint savepoint(*db_);
    chores(ledger);
    savepoint.release();
    chores_fault_.clear();
  } catch (const std::exception& e) {
    if (breaks_unit(e)) throw;
    if (std::exchange(chores_fault_, e.what()) != e.what())
      log::error(std::string("timers, progress and housekeeping failed and were undone: ") + e.what());
    ledger.drop_effects(effects);
    ledger.forget();
    resync_ = true;
    timer_.reset();
  }
}

void Writer::chores(Ledger& ledger) {
  ledger.set_clock();
  if (std::exchange(resync_, false)) ledger.resync();
  const auto now = clock_.steady();
  if (now - flushed_ >= kFlushEvery) {
    ledger.flush_board();
    flushed_ = looked_ = now;
  } else if (now - looked_ >= kFirstChunkWaits) {
    for (const auto task : board_.began(now - kFirstChunkWaits)) ledger.load(task);
    looked_ = now;
  }
  ledger.run_timers();
  ledger.write_down();
  if (now - kept_ >= kHousekeepingEvery) {
    const bool more = ledger.housekeeping();
    kept_ = more ? now - kHousekeepingEvery + kHousekeepingOn : now;
  }
  timer_ = ledger.next_timer();
}

void Writer::close(const std::string& why) {
  ledger_.reset();
  db_.reset();
  publish(why);
}

bool Writer::reopen() {
  if (steady_clock::now() < reopen_after_) return false;
  reopen_after_ = steady_clock::now() + kReopenEvery;
  if (distrusted_ && let_go_) let_go_();
  distrusted_ = false;
  auto opened = open();
  if (opened) opened = prove();
  if (opened) {
    log::info("the database was opened afresh");
    later([](Ledger& ledger) { ledger.resume_active(); });
    return true;
  }
  publish(opened.error().message);
  return false;
}

/// That the disk takes and keeps what is written, before anything is answered on it: all of the write-ahead log once
/// more, and a commit.
Result<void> Writer::prove() {
  try {
    db_->checkpoint_all();
    db_->begin();
    ledger_->keep_time();
    db_->commit();
    return {};
  } catch (const storage::Fault& e) {
    distrusted_ = e.kind() == storage::Fault::Kind::io;
    if (distrusted_) db_->distrust();
    ledger_.reset();
    db_.reset();
    return fail(Errc::server_fault, std::string("the database can't be written: ") + e.what());
  }
}

void Writer::publish(std::string fault) {
  std::lock_guard lock(mutex_);
  published_ = ledger_ ? ledger_->stats : counters_;
  if (ledger_) published_.slots_held = ledger_->slots();
  published_.fault = std::move(fault);
}

bool Writer::take_new_options() {
  std::lock_guard lock(mutex_);
  return std::exchange(options_changed_, false);
}

Error Writer::unwritable() {
  auto error = fail(Errc::server_fault, "the database can't be written now: try again later");
  error.retry_after_s = spread_s();
  return error;
}

/// When to come back, for those who are refused together.
int Writer::spread_s() { return 5 + static_cast<int>(random_.unit() * 25); }

}  // namespace ota::engine
