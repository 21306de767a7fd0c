// The engine's working table: rows, changes of state, the queue. Everything here runs on the engine's thread, inside
// one transaction; what must wait for the commit is collected as effects.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/allowance.hpp"
#include "engine/timeline.hpp"
#include "engine/transfer_run.hpp"
#include "ota/engine/engine.hpp"
#include "ota/storage/tables.hpp"

namespace ota::engine {

using Effect = std::function<void()>;

/// Who or what changes a task: the table's cause, and the name that the log shows.
struct Actor {
  Cause cause;
  std::string name;
};
inline Actor by_engine() { return {Cause::engine, "engine"}; }
inline Actor by_timer() { return {Cause::timer, "timer"}; }
inline Actor by_device() { return {Cause::device, "device"}; }
inline Actor by_operator(std::string name) { return {Cause::operator_, std::move(name)}; }

/// What one device that nobody stands behind may leave in the database: so many tasks that ended and that only it asked
/// for, without its last update; the oldest go when it asks for another. And so many lines in the log of each task that
/// only it asked for; what comes after them isn't logged.
inline constexpr int kEndedOfStranger = 16;
inline constexpr int kLinesOfStranger = 500;

/// The reason of a task that waits for its firmware to be trusted.
inline constexpr const char* kUntrusted = "untrusted_firmware";

class Ledger {
 public:
  /// `later` puts a job on the engine's queue from any thread: for grids that are ready.
  Ledger(storage::Database& db, const Options& options, const Clock& clock, Random& random, TransferBoard& board,
         Images& images, Courier& courier, std::function<void(std::function<void(Ledger&)>)> later);

  // One unit of work.

  WallTime wall() const { return wall_; }
  Millis now() const { return now_; }
  void set_clock();  ///< before each command
  void set_options(const Options& options) { options_ = options; }
  const Options& options() const { return options_; }
  /// As tasks.confirm says.
  Confirm default_confirm() const { return parse_confirm(options_.tasks.confirm).value_or(Confirm::automatic); }
  void after_commit(Effect effect) { effects_.push_back(std::move(effect)); }
  std::vector<Effect> take_effects() { return std::exchange(effects_, {}); }
  std::size_t effects() const { return effects_.size(); }
  void drop_effects(std::size_t from) { effects_.resize(from); }
  /// Rows that were changed, before a unit ends well.
  void write_down();
  /// Rows that were changed or read, after a unit was undone.
  void forget();
  void push(const std::string& device, Answer answer);

  // Tasks.

  /// The row, with what the board knows merged in.
  std::optional<Task> load(std::int64_t number);
  std::optional<Task> load_active(const std::string& device);
  void save(Task& task);
  /// One transition of the table, with its timers, its slot and its log line. Errc::wrong_state where the table
  /// refuses.
  Result<void> change(Task& task, TaskEvent event, const Actor& by, const std::string& reason = {});
  void log(const Task& task, LogEntry entry);
  void audit(AuditEntry entry);
  Task& insert(Task& task, const std::string& actor);
  /// Removes the oldest tasks that ended of those which only the device, unproven, asked for: above kEndedOfStranger.
  void forget_ended(const Device& device);
  ChunkBitmap chunks(const Task& task) { return tasks.chunks(task); }
  /// Puts a task that holds a slot on the board, with what proves its device.
  void show(const Task& task, const std::optional<Device>& device, ChunkBitmap have);
  /// In the row, and on the board.
  void set_chunks(Task& task, const ChunkBitmap& bitmap);
  /// Writes what was transferred since the last such line into the log.
  void close_run(const Task& task);
  /// Gives a task that was offered before a chunk layout which its device can take now: smaller chunks, with what the
  /// device has of them. False where their digests are awaited (see grid_ready()), and nothing changed.
  /// Errc::image_too_large: there is no such layout, and nothing changed.
  Result<bool> follow_layout(Task& task, const Device& device);
  /// Evidence against the present attempt: the next one, or the end. Answers what the device is told.
  Answer spend_attempt(Task& task, const Actor& by, const std::string& reason);
  /// Ends the device's waiting tasks for `version` and older ones.
  void supersede_up_to(const std::string& device, const std::string& version);
  /// Counts a chunk that arrived wrong; true at the third time in one attempt.
  bool third_mismatch(std::int64_t task, const ChunkRanges& chunks);
  void flush_board();
  /// Something went wrong on the device's link.
  void note_trouble(const std::string& device, LinkTrouble trouble);
  /// A chunk of the task was lost on the way: where that goes on, the next attempt gets smaller ones.
  void note_lost(const Task& task);
  /// Makes the memory's figures true again after a unit was undone, and at start.
  void resync();
  /// At start: what a crash may have swallowed is said again, and timers get their full time.
  void resume_active();

  // Devices and the queue.

  /// As it was read or saved last, most often without asking the database.
  std::optional<Device> find_device(const std::string& id);
  /// Where find_device() has nothing: whether the device is new, not a row that can't be read. Errc::server_fault.
  Result<void> check_readable(const std::string& id);
  void save(const Device& device);
  void remove_device(const std::string& id);
  /// Counts one more device that is new and proves nothing. Answers 0, or the seconds until the next one may come
  /// (devices.unproven_per_minute).
  int admit_stranger();
  /// A new device brought its own secret: into the audit log, so many of them.
  void audit_claim(const std::string& device, const std::string& from);
  /// The device is proven now: what it asked for itself counts as asked for.
  void vouch_for(const std::string& device);
  /// Removes devices that nobody vouches for and that were not heard for devices.forget_unproven_days, with the tasks
  /// that only they asked for; a bounded number. True where more may be left.
  bool forget_strangers();
  /// The device said something: it is present, what was parked waits its turn again.
  void heard(Device& device);
  /// The device said something of this very task: a sign of life, which keeps an offer open.
  void spoke(Task& task);
  /// Whether the task's firmware is trusted now.
  bool trusted(const Task& task);
  /// To be looked at again before this command ends.
  void touch(const std::string& device) { touched_.insert(device); }
  /// Ends a command: brings touched devices' places in the queue up to date, fills free slots. An offer to `asker` is
  /// not pushed: it is the command's answer.
  void settle(const std::string& asker = {});
  void run_timers();
  std::optional<Millis> next_timer();
  /// Old logs and answers go, a bounded number of them; true where more are left.
  bool housekeeping();
  /// Writes down how late it is on the timeline.
  void keep_time();
  /// Brings `stats.damaged` up to date.
  void count_damaged();

  // What devices are told.

  Offer offer(const Task& task);
  RetryAnswer retry_answer(const Task& task, const std::string& reason);
  QueuedAnswer queued_answer(const Task& task);
  SuccessAnswer success_answer(const Task& task) const;
  /// The answer for a task that waits for the device no more; for succeeded and failed ones the one it got.
  Answer ended_answer(const Task& task) const;

  storage::Tasks tasks;
  storage::Devices devices;  ///< rows by find_device(), save(), remove_device()
  storage::FirmwareTable firmware;
  storage::TransferLog transfer_log;
  storage::Keys keys;
  storage::AuditLog audit_log;
  Stats stats;  ///< the counters of what was decided
  Images& images() { return images_; }
  TransferBoard& board() { return board_; }
  Random& random() { return random_; }
  const Timeline& timeline() const { return timeline_; }
  /// Whether the digests of the task's chunks are in memory; if not they are fetched, and its device waits for them.
  bool grid_ready(const Task& task);
  /// Keeps a request until the digests that its device waits for are there; false where it waits for none.
  bool defer(const std::string& device, std::function<void(Ledger&)> request);
  std::int64_t slots() const { return slots_; }

 private:
  /// Who waits for the digests of one grid.
  struct Awaiting {
    std::set<std::string> devices;
    std::vector<std::function<void(Ledger&)>> requests;  // to be decided again then
  };

  /// Takes in what the board knows, and saves it.
  void catch_up(Task& task);
  void merge(Task& task, const TransferChange& change);
  void note_run(const Task& task, const TransferChange& change);
  /// Names a task whose device fetches the same over and over, again each time that it was sent twice as much.
  void note_repeats(const Task& task);
  void note_device(const Task& task, const TransferChange& change);
  void note_link(const Task& task, Device& device, const TransferChange& change);
  void note_transport(Device& device, TransferRun& run, const TransferChange& change);
  /// What a task that got a slot, or kept it over a start, is known by in memory.
  void begin_run(const Task& task);
  /// What begin_run() keeps, for a task that is on the board.
  void note_new_run(const Task& task, std::optional<Device> device, ChunkBitmap had);
  void end_run(const Task& task);
  /// Tells devices amid a download to go on over another transport.
  void watch_transports();
  void order_transport(Task& task, Device& device, Recommend wanted, const std::string& reason);
  std::vector<Transport> transports(const Task& task, const std::optional<Device>& device) const;
  /// Without a new chunk for so long the task is stuck: longer where its link is slow.
  Millis stall_time(const Task& task) const;
  void shrink_grid(Task& task);
  void change_layout(Task& task, const ChunkGrid& layout);
  /// Whether the device must wait for others behind its uplink.
  bool uplink_is_full(const Device& device) const;
  void hold(const std::string& device, const std::string& uplink, std::int64_t task);
  void queue_up(std::int64_t task);
  void write_device();
  void arm(Task& task);
  /// Brings the device's place in the queue up to date. Where it is `alone` to be looked at, a slot is free and nobody
  /// waits, answers the task that is next, in place of putting it into the queue.
  std::optional<Task> refresh(const std::string& device, bool alone = false);
  void fill_slots(const std::string& asker);
  bool grant(Task& task, const std::string& asker);
  bool awaits_grid(const Task& task) const;
  /// Keeps a task out of the queue while its firmware isn't trusted.
  bool awaits_trust(Task& task);
  /// Where the keys were changed, takes back what was offered and isn't trusted any more.
  void withdraw_untrusted();
  /// Tasks that ended before tasks.keep_days go with their logs, oldest first; true where more may be left.
  bool prune_tasks();
  /// After the commit fetches the digests of the task's chunks, then runs `then`.
  void with_grid(const Task& task, std::function<void(Ledger&, bool ready)> then);
  void preempt(Task& task);
  void on_due(Task& task);
  void on_stall(Task& task);
  Priority effective(const Task& task) const;
  /// The place among waiting tasks; the lowest is the next.
  std::tuple<bool, Priority, std::int64_t> rank(const Task& task) const;

  Options options_;
  const Clock& clock_;
  Random& random_;
  TransferBoard& board_;
  Images& images_;
  Courier& courier_;
  std::function<void(std::function<void(Ledger&)>)> later_;
  Timeline timeline_;
  WallTime wall_{};
  Millis now_{0};
  std::vector<Effect> effects_;
  std::optional<Device> device_;  // the last one: nearly every step of a command asks for its device
  bool device_unwritten_ = false;
  std::set<std::string> touched_;
  std::uint64_t withdrawn_at_ = 0;                  // generation of the keys that the offers go by
  std::uint64_t trust_seen_ = 0;                    // generation of the keys that trusted_ goes by
  std::unordered_map<std::int64_t, bool> trusted_;  // by firmware
  std::int64_t pruned_up_to_ = 0;                   // the last task that prune_tasks() looked at
  std::int64_t slots_ = 0;
  std::unordered_map<std::int64_t, TransferRun> runs_;                         // of tasks on the board
  std::unordered_map<std::int64_t, std::map<std::uint32_t, int>> mismatches_;  // of tasks on the board
  std::unordered_map<std::string, int> uplinks_;                  // slots held by devices with poor links behind each
  std::map<std::pair<Digest, std::uint32_t>, Awaiting> awaited_;  // by image and chunk size
  Allowance strangers_;
  Allowance claims_;
  std::uint64_t claims_left_out_ = 0;
  std::string looked_at_;  // the last device that forget_strangers() looked at
};

}  // namespace ota::engine
