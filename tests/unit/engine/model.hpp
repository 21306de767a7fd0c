// What docs/device-protocol.md and docs/rest.md ("Rules of the queue") promise, as a model of its own. It never
// decides: it follows what the engine logged, event by event, and names each thing that the promises don't allow or
// that should have come. Where the documents leave something open it allows both and goes on from what it sees.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ota/domain/firmware.hpp"
#include "ota/domain/task.hpp"
#include "ota/engine/engine.hpp"

namespace ota::engine::model {

/// A task as the promises see it. Times are the model's own (see Model::now).
struct TaskModel {
  Task facts;  ///< what never changes, and the priority
  TaskState state = TaskState::queued;
  int attempt = 1;
  std::string reason;
  std::vector<bool> have;              ///< chunks that there is evidence for
  std::vector<bool> stored;            ///< those that are in the database
  std::map<std::uint32_t, int> wrong;  ///< mismatches of a chunk in this attempt
  bool wrong_unsure = false;           ///< it left its slot since: the engine may count anew
  std::string from;                    ///< what its device ran before
  int percent = 0;                     ///< what it said last in this attempt
  bool confirmed = false;              ///< the device said that it runs it
  bool parked = false;
  bool ever_offered = false;
  bool stirred = false;    ///< chunks went out, unseen by the log as yet
  bool open_have = false;  ///< in this step the engine may or may not record what was said
  Millis created{0}, queued_since{0}, entered{0}, last_word{0};
  std::optional<Millis> wait_due, expiry_due;
  Millis wait_overtaken{0};            ///< the wait_due of a task that was verified before it
  std::optional<Millis> stall_told;    ///< since the last new chunk
  std::optional<Millis> stall_before;  ///< the same before that chunk, which a crash may swallow
  bool heard_since_stall = false, unsure_since_stall = false;
  Millis retry_early{0}, retry_late{0};  ///< between these retry_after_s is over
};

struct DeviceModel {
  std::string hardware, current;
  std::string reported;  ///< other hardware than it is registered with
  bool registered = false;
  bool confirmed = false;        ///< `current` is what it said itself
  bool tells = false;            ///< it ever said what it runs
  std::int64_t last_update = 0;  ///< the task whose image it verified last
  Millis present_until{0};
  bool transfer_moved = false;  ///< it downloads: whether that counts as heard is left open
};

/// One line of the transfer log.
struct Event {
  std::int64_t task = 0;
  std::string kind, by, event, reason;
  std::optional<TaskState> from, to;
};

/// One open task as the database has it.
struct Row {
  std::int64_t number = 0;
  std::string device;
  TaskState state{};
  int attempt = 0;
  bool parked = false, ready = false;
  bool in_queue = false;  ///< as its device's row has it; the same as `ready`
  Priority priority{};
  std::optional<Millis> state_due;
  std::vector<std::uint8_t> bitmap;
};

/// What a message may be answered with; nothing said: anything that agrees with the state after it.
struct Expected {
  std::set<std::string> types;  ///< of type_of, or `none`
  std::set<Errc> errors;        ///< where `error` is among them
  std::optional<std::int64_t> task;
  std::string reason;  ///< of retry and failed
};

class Model {
 public:
  explicit Model(Options options) : options_(std::move(options)) {}

  // A step: begin, say what happens (one of the calls of the second part), follow the log, compare, end.

  void begin(Millis now, WallTime wall);
  void follow(const Event& event, const std::function<Task(std::int64_t)>& read);
  void pushed(const std::string& device, const Answer& answer, bool restarted);
  void compare(const std::vector<Row>& rows, std::int64_t ledger_slots, bool all_flushed);
  /// Before the log is followed: until when a device counts as present.
  void compare_presence(const std::string& id, const DeviceModel& row);
  void compare_device(const std::string& id, const DeviceModel& row);
  void device_gone(const std::string& id) { devices.erase(id); }
  void answered(const std::string& device, const std::optional<Answer>& answer);
  void end();
  /// What was found wrong so far.
  std::vector<std::string> faults;

  // What happens. Devices:

  void request(const std::string& device, const DeviceRequest& message);
  void progress(const std::string& device, const ProgressReport& message);
  void verify(const std::string& device, const VerifyReport& message);
  void download(std::int64_t task);
  void downloaded(std::int64_t task, Access access);
  void reported(const std::string& device);
  void transferred_chunks(std::int64_t task, const ChunkRange& range);
  void transferred_bytes(std::int64_t task);

  // Operators and the machine:

  /// The reasons to refuse it; none: it must be done (or be there already).
  std::set<Errc> upgrade(const UpgradeOrder& order);
  /// An operator wants that task, whoever made it.
  void adopted(std::int64_t task);
  void ordered(const UpgradeOrder& order, const std::set<Errc>& refusals, const Result<UpgradeOutcome>& result);
  /// The reasons that it may be refused for.
  std::set<Errc> retry(std::int64_t task);
  void cancel(std::int64_t task);
  void set_priority(std::int64_t task, Priority priority);
  void put_device(const std::string& id, const std::string& hardware);
  void remove_device(const std::string& device);
  void damage(const Digest& image);
  void restart();
  void restarted(Millis now);

  // State that the driver may look at.

  Millis now{0};
  WallTime wall{};
  std::map<std::int64_t, TaskModel> tasks;
  std::map<std::string, DeviceModel> devices;
  std::vector<Firmware> firmware;
  bool slow_digests = false;  ///< an offer may come after `queued` was answered
  TaskModel* find(std::int64_t number);
  TaskModel* active_of(const std::string& device);
  TaskModel* open_of(const std::string& device, const std::string& version);
  std::vector<TaskModel*> open_tasks();
  bool needs_firmware(std::int64_t id);

 private:
  /// An event that this step may (or must) bring about.
  struct Permit {
    std::int64_t task = 0;
    std::set<TaskEvent> events;
    std::string reason;
    bool must = false;
    bool used = false;
  };

  void fault(const std::string& text) { faults.push_back(text); }
  void permit(const TaskModel& task, std::set<TaskEvent> events, bool must, std::string reason = {});
  void permit_spend(const TaskModel& task, bool must, const std::string& reason);
  bool use_permit(std::int64_t task, TaskEvent event, const std::string& reason);
  /// A message of the device that was taken; `sure` where the documents say so.
  void heard(const std::string& device, bool sure);
  /// The task that a message of that device names; null, with the refusal expected, where it has none such.
  TaskModel* addressed(const std::string& device, const TaskId& id);
  /// A word of its device about this very task.
  void word_on(TaskModel& task);
  void record(TaskModel& task, const ChunkRanges& ranges, bool good);
  void created(const Task& row);
  void judge(TaskModel& task, TaskEvent event, const Event& line);
  void smaller_grid(TaskModel& task, std::uint32_t chunk_bytes);
  void judge_grant(const TaskModel& task);
  void judge_preempt(const TaskModel& task);
  void apply(TaskModel& task, TaskEvent event, TaskState to);
  /// Device present and free (but for `freed`), time come, not parked.
  /// In the wait before its next attempt, or one that it had overtaken: whether it takes part is left open.
  bool resting(const TaskModel& task) const { return now < std::max(task.retry_late, task.wait_overtaken); }
  /// A device that may or may not count as heard in this step or by what it fetched, while the log is followed.
  bool perhaps_heard(const std::string& device) const;
  bool could_start(const TaskModel& task, const TaskModel* freed = nullptr);
  Priority best_class(const TaskModel& task) const;
  Priority worst_class(const TaskModel& task) const;
  bool surely_before(const TaskModel& a, const TaskModel& b) const;
  std::int64_t slots();
  void check_queue();
  void check_row(TaskModel& task, const Row& row, bool all_flushed);
  std::set<Errc> refusals(const std::string& device, const std::string& version,
                          const std::optional<std::string>& hardware, bool force, bool by_device);
  /// Tasks for other hardware than `hardware` end; whether there are any.
  bool end_unfit(const std::string& device, const std::string& hardware);
  /// It says that it runs `version`; true where its active task ends by that.
  bool runs(const std::string& device, const std::string& version);
  void expect_late_report(TaskModel& task, const ProgressReport& message);
  void expect_progress(TaskModel& task, const ProgressReport& message);
  void expect_verify(TaskModel& task, const VerifyReport& message);
  void expect_request(const std::string& device);
  void agree(const std::string& device, const Answer& answer);
  void agree_retry(const std::string& device, const RetryAnswer& again);
  void agree_offer(const std::string& device, const Offer& offer);

  Options options_;
  std::vector<Permit> permits_;

  std::set<std::pair<std::string, std::string>> may_create_;  // device, version
  bool must_create_ = false;
  bool hardware_open_ = false;  ///< several fit, one of them every device: choosing that one is as good as asking
  bool following_ = false;
  bool created_ = false;
  std::int64_t last_number_ = 0;
  Expected expected_;
  std::optional<DeviceRequest> asked_;
  std::set<Errc> request_refusals_;
  std::map<std::string, bool> heard_;                          // in this step; true: surely
  std::set<std::int64_t> granted_, preempted_, told_, spent_;  // in this step
};

std::string name_of(const TaskModel& task);
/// Histories know versions such as `3.0.0` and `v3.0.0`.
int rank_of(const std::string& version);
ChunkRanges missing_of(const std::vector<bool>& have);

}  // namespace ota::engine::model
