// One batch of commands: a unit of work, one transaction, one commit; then the effects.
#include <fmt/format.h>

#include <exception>
#include <utility>

#include "engine/engine_loop.hpp"
#include "engine/task_service.hpp"
#include "ota/base/fault.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

using std::chrono::steady_clock;

constexpr Millis kFlushEvery{1'000};  // what active transfers moved is persisted that often
constexpr Millis kHousekeepingEvery{60'000};
constexpr Millis kHousekeepingOn{1'000};  // while more is left

void act(const Effect& effect, const char* failed) {
  try {
    effect();
  } catch (...) {
    log::error(std::string(failed) + ": " + describe_exception(std::current_exception()));
  }
}

storage::Wanted wanted_by(const std::vector<Command>& commands) {
  storage::Wanted wanted;
  for (const auto& [run, failed, about] : commands) {
    if (!about.device.empty()) wanted.devices.push_back(about.device);
    if (about.task != 0) wanted.tasks.push_back(about.task);
    if (!about.key.empty()) wanted.keys.push_back(about.key);
  }
  return wanted;
}

/// Whether what was thrown is the database's fault, not that of one command.
bool breaks_unit(const std::exception& e) {
  const auto* fault = dynamic_cast<const storage::Fault*>(&e);
  return fault && fault->kind() != storage::Fault::Kind::constraint;
}

}  // namespace

void EngineLoop::begin(const std::vector<Command>& commands) {
  db_->begin();
  service_->rows.unit.discard();
  service_->rows.unit.read(wanted_by(commands));
}

/// One unit of work. False where the database must be opened afresh.
bool EngineLoop::turn(std::vector<Command>& commands) {
  auto& service = *service_;
  const auto counted = service.stats;
  std::vector<bool> undone(commands.size(), false);
  try {
    try {
      begin(commands);
      decide(service, commands, undone, false);
      chores(service);
      service.rows.unit.flush();
    } catch (const std::exception& e) {
      if (breaks_unit(e)) throw;
      db_->rollback();
      service.stats = counted;
      service.drop_effects(0);
      image_events_.undone();
      begin(commands);
      service.resync();
      decide(service, commands, undone, true);
      chores_apart(service);
    }
    slots_held_ = service.rows.unit.queue().slots_held();
    const auto began = steady_clock::now();
    db_->commit();
    service.stats.commit_time.observe(std::chrono::duration<double>(steady_clock::now() - began).count());
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
  if (service.events.take_written() && service.options().events_written)
    act(service.options().events_written, "who reads events could not be told of new ones");
  if (image_events_.committed()) queue_.wake();
  service.stats.commands += commands.size();
  service.stats.commits += commands.empty() ? 0 : 1;
  for (auto& effect : service.take_effects()) act(effect, "an answer could not be given");
  publish({});
  return maintain(commands.size() <= 1);
}

/// In one piece, so that what one of them throws undoes all; or each `apart` in a nested unit, which costs more: then
/// who fails is undone alone, and marked.
void EngineLoop::decide(TaskService& service, std::vector<Command>& commands, std::vector<bool>& undone, bool apart) {
  const auto stands = [&](Command& command) {
    if (apart) return run_apart(service, command);
    run(service, command);
    return true;
  };
  if (take_new_options()) {
    service.set_options(options());
    idle_polls_.clear();
  }
  // Whose time is up is counted before a contact that came later: silence is seen before good news.
  if (timer_ && *timer_ <= service.clock().now()) {
    Command timers{[](TaskService& to) { to.timers.run_all(); }, [](const Error&) {}};
    stands(timers);
  }
  // Before the commands, so that an upload which heals an image comes after the word of its damage.
  if (image_events_.take()) {
    Command images{[this](TaskService& to) { image_events_.see_to(to); },
                   [this](const Error&) { image_events_.undone(); }};
    stands(images);
  }
  for (std::size_t i = 0; i < commands.size(); ++i) undone[i] = !stands(commands[i]);
}

void EngineLoop::run(TaskService& service, Command& command) {
  service.set_clock();
  command.run(service);
}

/// Does `work` in a nested unit. False where it threw: it was undone alone, and `failed` called with what was thrown. A
/// fault of the database undoes the whole unit.
template <class Work, class Failed>
bool EngineLoop::apart(TaskService& service, Work work, Failed failed) {
  const auto effects = service.effects();
  try {
    service.rows.unit.flush();
    storage::Database::Savepoint savepoint(*db_);
    work();
    service.rows.unit.flush();
    savepoint.release();
    return true;
  } catch (const std::exception& e) {
    if (breaks_unit(e)) throw;
    service.drop_effects(effects);
    service.rows.unit.discard();
    service.rollouts.resync();  // the next command decides by it
    resync_ = true;
    failed(e);
    return false;
  }
}

/// False where the command was undone.
bool EngineLoop::run_apart(TaskService& service, Command& command) {
  return apart(
      service, [&] { run(service, command); },
      [&](const std::exception& e) {
        log::error(std::string("a command failed and was undone: ") + e.what());
        refuse(command, fail(Errc::server_fault, "the server could not do this; its log says why"));
      });
}

// In this order, once a batch.
const EngineLoop::Chore EngineLoop::kChores[] = {
    // First: what throws later leaves nothing to the next batch.
    {"the removal of unproven devices' tasks", [](EngineLoop&, TaskService& s) { s.newcomers.forget_ended(); }},
    {"the reload of what is kept in memory",
     [](EngineLoop& loop, TaskService& s) {
       if (std::exchange(loop.resync_, false)) s.resync();
     }},
    {"progress", [](EngineLoop& loop, TaskService& s) { loop.keep_progress(s); }},
    {"timers", [](EngineLoop&, TaskService& s) { s.timers.run(); }},
    {"rollouts", [](EngineLoop& loop, TaskService& s) { loop.walks_ = s.admission.walk(); }},
    {"the queue", [](EngineLoop&, TaskService& s) { s.scheduler.schedule(); }},
    {"history", [](EngineLoop&, TaskService& s) { s.history.run(); }},
    {"housekeeping",
     [](EngineLoop& loop, TaskService& s) {
       const auto now = loop.clock_.steady();
       if (now - loop.kept_ < kHousekeepingEvery) return;
       loop.kept_ = now;  // also where it throws
       if (s.housekeeping.run()) loop.kept_ = now - kHousekeepingEvery + kHousekeepingOn;
     }},
};

void EngineLoop::keep_progress(TaskService& service) {
  const auto now = clock_.steady();
  if (now - flushed_ >= kFlushEvery) {
    service.progress.flush();
    flushed_ = looked_ = now;
  } else if (now - looked_ >= kFirstChunkWaits) {
    for (const auto task : transfers_.began(now - kFirstChunkWaits)) service.lifecycle.load(task);
    looked_ = now;
  }
}

void EngineLoop::chores(TaskService& service) {
  service.set_clock();
  for (const auto& chore : kChores) chore.run(*this, service);
  timer_ = walks_ ? std::optional{service.clock().now()} : service.timers.next();
  chore_faults_.clear();
}

/// The engine's own work, after something threw, each chore by itself: one that throws holds up no other, and what it
/// throws is logged once.
void EngineLoop::chores_apart(TaskService& service) {
  service.set_clock();
  walks_ = false;
  for (const auto& chore : kChores) {
    const bool done = apart(
        service, [&] { chore.run(*this, service); },
        [&](const std::exception& e) {
          if (std::exchange(chore_faults_[chore.name], e.what()) != e.what())
            log::error(fmt::format("the engine's own work is incomplete: {}: {}; it is tried again", chore.name,
                                   e.what()));
        });
    if (done) chore_faults_.erase(chore.name);
  }
  timer_ = chore_faults_.empty() ? service.timers.next() : std::nullopt;
}

}  // namespace ota::engine
