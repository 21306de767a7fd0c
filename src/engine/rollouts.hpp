// Rollouts as they go on: their states, stages and brakes (docs/fleet.md). What is decided is
// domain/rollout_rules.hpp's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/domain/bucket.hpp"
#include "ota/domain/rollout.hpp"
#include "ota/domain/rollout_rules.hpp"

namespace ota::engine {

class TaskService;

/// Rollouts that have not ended: a copy in memory of rows that only the engine changes, so that a contact of a device
/// needs no look into the database. Read at start and after a unit was undone.
class Rollouts {
 public:
  explicit Rollouts(TaskService& service) : service_(service) {}

  void resync();
  /// At start: the counters are those of a recount.
  void check_counters();

  /// One that has not ended; the pointer holds until the command ends.
  const Rollout* find(std::int64_t number) const;
  /// False where it has ended. Throws BadRow: whether it has isn't known.
  bool goes_on(std::int64_t number);
  /// Also one that has ended.
  std::optional<Rollout> read(std::int64_t number);
  /// The open one for exactly that channel and hardware.
  const Rollout* open_in(const std::string& channel, const std::string& hardware) const;
  /// The open one that a device has to do with: of its hardware, else of any.
  const Rollout* open_for(const Device& device) const;
  /// One of the channel's that has not ended.
  const Rollout* any_in(const std::string& channel) const;
  std::vector<const Rollout*> of_firmware(std::int64_t firmware) const;
  /// All that have devices to admit by going round the ring.
  std::vector<std::int64_t> walking() const;

  void add(Rollout& rollout);
  void save(const Rollout& rollout);
  /// How far the walk round the ring has come.
  void set_walked(std::int64_t number, std::uint64_t walked);
  /// A device passed its gate or became healthy.
  void note_news(std::int64_t number);
  /// One transition of the table. Errc::wrong_state.
  Result<void> change(Rollout& rollout, RolloutEvent event, Cause by, const std::string& reason = {},
                      const std::string& actor = {});
  /// Its version becomes the target of its channel; the rollout before it is superseded.
  void make_target(const Rollout& rollout);
  /// It is to be decided about again before this command ends.
  void mark_dirty(std::int64_t number) { dirty_.insert(number); }
  /// The same for all of a channel.
  void mark_dirty_in(const std::string& channel);
  /// Ends a command: carries out what follows from the counters that it changed.
  void settle();
  /// After a start: ends the tasks of ended rollouts that a crash left.
  void end_left_members();
  void run_timers();
  std::optional<Millis> next_timer() const;

  const RolloutCounts& counts(std::int64_t number);
  FirmwareFacts firmware(const Rollout& rollout);
  RolloutLimits limits() const;

 private:
  void settle(std::int64_t number);
  /// Carries out one step; false where there is nothing to do until `look_again`.
  bool take_step(Rollout& rollout);
  void open_next_stage(Rollout& rollout);
  void complete(Rollout& rollout);
  /// The tasks of an ended rollout that have not passed the gate end, some at a time.
  void cancel_members(std::int64_t number, const std::string& reason);
  void announce(const Rollout& rollout, RolloutEvent event, const std::string& reason, const std::string& actor);

  TaskService& service_;
  std::map<std::int64_t, Rollout> rollouts_;
  std::map<std::pair<std::string, std::string>, std::int64_t> open_;  // by channel and hardware
  std::set<std::int64_t> dirty_;
  std::map<std::int64_t, Millis> deadlines_;
};

}  // namespace ota::engine
