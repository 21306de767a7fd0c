// The task manager: what every command works with. All of it runs on the engine's thread, inside one transaction; what
// must wait for the commit is collected as effects. Its parts have each a matter of their own and reach each other
// through it.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/action_book.hpp"
#include "engine/absence.hpp"
#include "engine/admission.hpp"
#include "engine/attempts.hpp"
#include "engine/channels.hpp"
#include "engine/device_registry.hpp"
#include "engine/event_writer.hpp"
#include "engine/gate.hpp"
#include "engine/history.hpp"
#include "engine/housekeeping.hpp"
#include "engine/idle_polls.hpp"
#include "engine/layout_digests.hpp"
#include "engine/lifecycle.hpp"
#include "engine/newcomers.hpp"
#include "engine/persistent_clock.hpp"
#include "engine/progress.hpp"
#include "engine/replies.hpp"
#include "engine/rollouts.hpp"
#include "engine/scheduler.hpp"
#include "engine/state_timers.hpp"
#include "engine/transfer_runs.hpp"
#include "engine/transport_policy.hpp"
#include "engine/trust_gate.hpp"
#include "ota/engine/engine.hpp"
#include "ota/storage/actions.hpp"
#include "ota/storage/absent_devices.hpp"
#include "ota/storage/database.hpp"
#include "ota/storage/devices.hpp"
#include "ota/storage/fleet.hpp"
#include "ota/storage/rollouts.hpp"
#include "ota/storage/tasks.hpp"
#include "ota/storage/transfer_log.hpp"
#include "ota/storage/unit.hpp"

namespace ota::engine {

using Effect = std::function<void()>;

/// The tables, on the writing connection.
class Rows {
 public:
  explicit Rows(storage::Database& db)
      : unit(db),
        actions(db),
        firmware(db.firmware()),
        audit_log(db.audit_log()),
        event_log(db.event_log()),
        webhooks(db.webhooks()),
        api_keys(db.api_keys()),
        metadata(db.metadata()),
        idempotency_keys(db.idempotency_keys()),
        tasks_(db),
        devices_(db),
        transfer_log_(db),
        rollouts_(db),
        fleet_(db),
        absent_devices_(db) {}

  // For questions: what the unit changed may be part of the answer, and is written first.
  storage::Tasks& tasks() { return up_to_date(tasks_); }
  storage::Devices& devices() { return up_to_date(devices_); }
  storage::TransferLog& transfer_log() { return up_to_date(transfer_log_); }
  storage::Rollouts& rollouts() { return up_to_date(rollouts_); }
  storage::Fleet& fleet() { return up_to_date(fleet_); }
  storage::AbsentDevices& absent_devices() { return up_to_date(absent_devices_); }

  storage::Unit unit;  ///< rows of devices and tasks
  storage::Actions actions;
  storage::FirmwareCatalogue& firmware;
  storage::AuditLog& audit_log;
  storage::EventLog& event_log;
  storage::Webhooks& webhooks;
  storage::ApiKeys& api_keys;
  storage::Metadata& metadata;
  storage::IdempotencyKeys& idempotency_keys;

 private:
  template <class Table>
  Table& up_to_date(Table& table) {
    unit.flush();
    return table;
  }

  storage::Tasks tasks_;
  storage::Devices devices_;
  storage::TransferLog transfer_log_;
  storage::Rollouts rollouts_;
  storage::Fleet fleet_;
  storage::AbsentDevices absent_devices_;
};

class TaskService {
 public:
  /// A job that is put on the engine's queue.
  using Job = std::function<void(TaskService&)>;

  /// `later` puts a job on the engine's queue from any thread: for digests that are ready.
  TaskService(storage::Database& db, const Options& options, const Clock& clock, Random& random,
              ActiveTransfers& transfers, IdlePolls& idle_polls, Images& images, DeviceNotifier& notifier,
              std::function<void(Job)> later);

  WallTime wall() const { return wall_; }
  Millis now() const { return now_; }
  const PersistentClock& clock() const { return persistent_clock_; }
  void set_clock();  ///< before each command
  void set_options(const Options& options) { options_ = options; }
  const Options& options() const { return options_; }
  /// Who is online now.
  Presence presence() const { return {wall_, std::chrono::seconds{options_.devices.present_s}}; }
  /// As tasks.confirm says.
  Confirm default_confirm() const { return parse_confirm(options_.tasks.confirm).value_or(Confirm::automatic); }
  Images& images() { return images_; }
  ActiveTransfers& transfers() { return transfers_; }
  IdlePolls& idle_polls() { return idle_polls_; }
  Random& random() { return random_; }
  /// Puts a job on the engine's queue; callable from any thread, and longer than this lives.
  const std::function<void(Job)>& later() const { return later_; }

  void after_commit(Effect effect) { effects_.push_back(std::move(effect)); }
  std::vector<Effect> take_effects() { return std::exchange(effects_, {}); }
  std::size_t effects() const { return effects_.size(); }
  void drop_effects(std::size_t from) { effects_.resize(from); }
  /// After the commit.
  void push(const std::string& device, Answer answer);

  /// A line of the task's log. Of a task that no operator ordered for its device, kLinesOfStranger at most.
  void log(const Task& task, LogEntry entry);
  void audit(AuditEntry entry);
  /// Brings `stats.damaged` up to date.
  void count_damaged();

  /// Makes what is in memory true again after a command was undone, and at start.
  void resync();

  Rows rows;
  Stats stats;  ///< the counters of what was decided
  EventWriter events{*this};
  Lifecycle lifecycle{*this};
  Scheduler scheduler{*this};
  StateTimers timers{*this};
  Attempts attempts{*this};
  Progress progress{*this};
  TransferRuns runs{*this};
  TransportPolicy transports{*this};
  Replies replies{*this};
  LayoutDigests digests{*this};
  TrustGate trust{*this};
  DeviceRegistry registry{*this};
  Newcomers newcomers{*this};
  Housekeeping housekeeping{*this};
  Channels channels{*this};
  Rollouts rollouts{*this};
  History history{*this};
  FleetAdmission admission{*this};
  Gate gate{*this};
  ActionBook actions{*this};
  Absence absence{*this};

 private:
  Options options_;
  const Clock& clock_;
  Random& random_;
  ActiveTransfers& transfers_;
  IdlePolls& idle_polls_;
  Images& images_;
  DeviceNotifier& notifier_;
  std::function<void(Job)> later_;
  PersistentClock persistent_clock_;
  WallTime wall_{};
  Millis now_{0};
  std::vector<Effect> effects_;
};

}  // namespace ota::engine
