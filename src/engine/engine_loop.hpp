// The engine's thread, and the only connection that writes: takes what waits, one transaction for all of it, one
// commit, then the effects.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/command_queue.hpp"
#include "engine/image_events.hpp"
#include "engine/task_service.hpp"
#include "ota/base/mutex.hpp"
#include "ota/storage/backend.hpp"

namespace ota::engine {

/// Thread-safe but for open(), start() and stop(). A database that can't be written is closed and opened afresh; until
/// then every command fails with a time to come back.
class EngineLoop final : public ImageObserver {
 public:
  EngineLoop(storage::Backend& storage, const Options& options, const Clock& clock, Random& random, Images& images,
             DeviceNotifier& notifier);
  ~EngineLoop() override;

  /// Before start(). Errc::server_fault.
  Result<void> open();
  void start();
  /// Takes nothing more, does what waits, and ends. Twice is once.
  void stop();

  /// At the queue's bound the command fails with Errc::overloaded and a time to come back.
  void send(Command command);
  /// A job of the engine's own; one that fails is repeated by whoever asked for it.
  void later(std::function<void(TaskService&)> job);
  void apply(const Options& options);
  void image_damaged(const Digest& image) override;
  void image_changed(const Digest& image) override;
  void image_hashed(const firmware::Stored& image) override;
  void image_unneeded(const Digest& image);

  ActiveTransfers& transfers() noexcept { return transfers_; }
  IdlePolls& idle_polls() noexcept { return idle_polls_; }
  Stats stats() const;
  Options options() const;

 private:
  friend class EngineDriver;  // tests/unit/engine: steps it without its thread

  static constexpr Millis kReopenEvery{1'000};  // tries, while the database can't be written
  // The first chunk of an attempt within this time, if no message of its device is decided before: a commit less for
  // each.
  static constexpr Millis kFirstChunkWaits{100};

  /// Calls `failed`; what it throws ends nothing here.
  static void refuse(Command& command, Error error);
  void loop();
  /// Decides what waits; waits for that `until` then.
  void step(std::chrono::steady_clock::time_point until);
  std::chrono::steady_clock::time_point next_turn();
  bool turn(std::vector<Command>& commands);
  void begin(const std::vector<Command>& commands);
  void decide(TaskService& service, std::vector<Command>& commands, std::vector<bool>& undone, bool apart);
  void run(TaskService& service, Command& command);
  template <class Work, class Failed>
  bool apart(TaskService& service, Work work, Failed failed);
  bool run_apart(TaskService& service, Command& command);
  struct Chore {
    const char* name;
    void (*run)(EngineLoop&, TaskService&);
  };
  static const Chore kChores[];
  void keep_progress(TaskService& service);
  void chores(TaskService& service);
  void chores_apart(TaskService& service);
  bool maintain(bool few);
  bool reopen();
  Result<void> probe_write();
  void close(const std::string& why);
  void publish(std::string fault);
  bool take_new_options();
  Error unwritable();
  int spread_s();

  storage::Backend& storage_;
  mutable Mutex mutex_;
  Options options_ OTA_GUARDED_BY(mutex_);
  bool options_changed_ OTA_GUARDED_BY(mutex_) = false;
  Stats published_ OTA_GUARDED_BY(mutex_);
  const Clock& clock_;
  Random& random_;
  Images& images_;
  DeviceNotifier& notifier_;
  CommandQueue queue_;
  ActiveTransfers transfers_;
  IdlePolls idle_polls_;
  PendingImageEvents image_events_;
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::int64_t> last_turn_{0};

  // The engine thread's own.
  std::unique_ptr<storage::Database> db_;
  std::unique_ptr<TaskService> service_;
  Stats counters_;
  std::optional<Millis> timer_;
  Millis flushed_{0};
  Millis looked_{0};
  Millis kept_{0};
  bool resync_ = false;       // a command was undone
  std::int64_t slots_held_ = 0;
  bool walks_ = false;        // a rollout's admission goes on at once
  std::map<std::string, std::string> chore_faults_;  // what chores_apart() logged last, by chore
  Millis reopen_after_{0};
  std::string fault_;         // why the database was closed last
  std::thread thread_;
};

}  // namespace ota::engine
