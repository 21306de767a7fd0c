// One device: its messages and its current update.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/chunk_source.hpp"
#include "agent/control.hpp"
#include "agent/image_file.hpp"
#include "agent/installer.hpp"
#include "agent/messages.hpp"
#include "agent/mqtt_source.hpp"
#include "agent/options.hpp"
#include "agent/policy.hpp"
#include "agent/report.hpp"
#include "agent/retry_timer.hpp"
#include "agent/state_dir.hpp"
#include "agent/transport_choice.hpp"
#include "ota/base/clock.hpp"
#include "ota/base/mutex.hpp"

namespace ota::agent {

/// Delays between repetitions of `request` and `verify` (docs/device-protocol.md, A download from start to end).
inline constexpr Backoff kAskBackoff{std::chrono::seconds(2), std::chrono::seconds(60)};

/// State that all devices of the process share.
struct Shared {
  const Options& options;
  Reporter& reporter;
  Random& random;
  const firmware::TrustedKeys* trusted = nullptr;  ///< null: signatures are not checked
};

/// step() does one piece of work at a time (a message, a chunk, an install), so that a few threads serve many devices.
/// Only one thread may be in step(); messages and wake-ups come from the MQTT client's threads.
class Device {
 public:
  /// `wake` requests a step() soon; called from any thread.
  Device(const Shared& shared, std::string id, StateDir state, std::function<void()> wake);
  ~Device();

  void start();
  /// Does one piece of work; returns the latest time of the next call.
  Time step();
  /// Aborts running transfers and installs; after this, step() does nothing. Any thread.
  void interrupt();
  /// After the last step(): delivers pending messages, within `grace`.
  void stop(std::chrono::milliseconds grace);

  /// With --once: the exit status, as soon as it is known. Any thread.
  std::optional<int> verdict() const;

 private:
  enum class Phase {
    idle,
    downloading,
    verifying,
    installing,
    rebooting,   ///< installed; the new version doesn't run yet
    confirming,  ///< the new version should run: checks the version and the health command
    reporting,   ///< the outcome is known; it is reported when the server is reachable
  };

  /// What keeps a verified image from being installed.
  struct Gate {
    std::string held;                   ///< why the server holds it back, as it was told
    bool willing = false;               ///< the owner agreed while the server held it back
    std::optional<WallTime> postponed;  ///< the owner didn't agree before then
    Time tell_again{};                  ///< when a success is answered with that again
  };

  Time next_step(Time now, bool online);
  Control::Events control_events();
  void resume_kept_task();
  void resume_install(const std::string& phase);
  void handle_inbox();
  void connected(Time now);
  void handle(const std::string& payload);
  void on(const Metadata& message);
  void on(const Retry& message);
  void on(const Success& message);
  void success_of_none(const Success& message);
  void image_is_gone(const std::string& task_id);
  void on(const Hold& message);
  void on(const Failed& message);
  void on(const Queued& message);
  void on(const UpToDate& message);
  void on(const Cancel& message);
  void on(const Refusal& message);

  Policy policy() const;
  bool acceptable(const Assignment& task);
  void begin(const Assignment& task);
  void adopt(const Assignment& task);
  void leave(bool keep_chunks);
  void download(Time now);
  bool prepare_image(Time now);
  std::optional<std::vector<Digest>> find_digests(Time now);
  void choose_source(Time now);
  bool take_late_chunk(Time now);
  bool wanted(std::uint32_t index, Time now);
  ChunkRanges chunks_ahead(std::uint32_t index, Time now);
  void tell_known_chunks();
  void arrived(std::uint32_t index, Transport transport);
  std::optional<std::uint32_t> next_chunk(Time now);
  void accept(std::uint32_t index, const Fetched& fetched, Transport transport, Time began);
  void fetch_failed(const Fetched& fetched, Time now);
  void end_failures_wait(Time now);
  void all_here(Time now);
  void send_verify(Time now);
  void give_up(const std::string& reason);

  bool owner_agrees();
  bool postpones() const;
  void verify_later(std::chrono::milliseconds delay);

  void request(Time now);
  Result<std::string> look_what_runs();
  void note_running(const std::string& version);
  void keep_versions(const VersionRecord& versions);
  void check_unwell();
  void install();
  void after_install(const Outcome& outcome);
  void await_reboot(Time now);
  void confirm();
  void pause() const;
  void confirmed(const std::string& runs);
  void unconfirmed(const std::string& runs, const std::string& why);
  /// Ends the task where the device was updated to a newer version than the task's, in another way; else false.
  bool superseded_by(const std::string& runs);
  void conclude(const std::string& outcome, const std::string& reason);
  void report();

  void send(std::string_view what, std::string payload);
  void flush_progress(Time now, bool at_once);
  /// About the current task, or about `other_task`.
  void tell(std::string event, std::string detail = {}, const std::string& other_task = {});
  void finish(int status);
  bool is_mine(const std::string& task_id) const { return task_ && task_->id == task_id; }
  /// From the start of the install command on: no message of the server ends the task any more.
  bool is_committed() const { return phase_ >= Phase::installing; }
  bool keep(std::string_view phase);

  const Shared shared_;
  const std::string id_;
  StateDir state_;
  const std::function<void()> wake_;
  Identity who_;
  std::atomic<bool> interrupted_ = false;  // ends a running transfer
  std::atomic<bool> stopping_ = false;
  std::atomic<int> verdict_ = -1;
  Mutex inbox_mutex_;  // taken before the mutex of mqtt_
  std::deque<std::string> inbox_ OTA_GUARDED_BY(inbox_mutex_);
  std::size_t inbox_bytes_ OTA_GUARDED_BY(inbox_mutex_) = 0;
  bool was_connected_ OTA_GUARDED_BY(inbox_mutex_) = false;

  // step() alone:
  Phase phase_ = Phase::idle;
  std::optional<Assignment> task_;
  std::optional<ImageFile> image_;
  ChunkRanges to_forget_;            // requested again by the server before the image was open
  std::set<std::uint32_t> blocked_;  // corrupt; the server's retry unblocks them
  std::uint32_t cursor_ = 0;
  Digest computed_{};
  ChunkRanges bad_chunks_;
  Gate gate_;
  bool confirm_ = false;
  InstallRecord install_;
  bool after_restart_ = false;  // that the install command requested
  bool reported_ = false;       // the outcome is sent, perhaps not delivered yet
  bool need_urls_ = false;
  unsigned refused_urls_ = 0;
  std::string last_done_;
  RetryTimer ask_;
  RetryTimer verify_;
  RetryTimer fetch_again_;
  RetryTimer reboot_;   // the command; without an install command the next check of the running version
  Time hold_until_{};   // after an error, or as the server requested
  Time paced_until_{};  // for the rate of the options
  TransportChoice choice_;

  ChunkRanges arrived_;  // not yet reported
  Transport arrived_by_ = Transport::http;
  double rtt_sum_ms_ = 0;
  int rtt_count_ = 0;
  Time progress_sent_{};
  Time chunk_reported_{};
  Time began_{};
  std::uint64_t bytes_fetched_ = 0;

  std::unique_ptr<ChunkSource> http_;
  MqttSource mqtt_;
  ChunkSource* source_ = nullptr;  // one of these
  Control control_;                // last: its threads use the members above
};

}  // namespace ota::agent
