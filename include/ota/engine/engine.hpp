// The task manager: command in, transition, persist, effects out (docs/device-protocol.md; docs/rest.md, Rules of the
// queue).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "ota/base/clock.hpp"
#include "ota/base/histogram.hpp"
#include "ota/base/random.hpp"
#include "ota/base/result.hpp"
#include "ota/base/settings.hpp"
#include "ota/domain/audit.hpp"
#include "ota/domain/firmware.hpp"
#include "ota/domain/task.hpp"
#include "ota/engine/actions.hpp"
#include "ota/engine/active_transfers.hpp"
#include "ota/engine/fleet_control.hpp"
#include "ota/engine/image_observer.hpp"
#include "ota/engine/key_control.hpp"
#include "ota/engine/latest.hpp"
#include "ota/engine/registry_control.hpp"
#include "ota/engine/webhook_control.hpp"
#include "ota/firmware/hash.hpp"
#include "ota/firmware/manifest_provider.hpp"
#include "ota/firmware/trust.hpp"

namespace ota::storage {
class Backend;
}

namespace ota::engine {

/// `POST /firmware/upgrade`, parsed.
struct UpgradeOrder {
  std::string device;
  std::string version;
  std::optional<std::string> hardware;
  std::optional<std::uint32_t> chunk_bytes;
  std::optional<Digest> checksum;
  std::optional<Priority> priority;
  std::optional<WallTime> not_before;
  std::optional<WallTime> expires_at;
  std::optional<Confirm> confirm;  ///< nothing: as tasks.confirm says
  bool force = false;
  bool pin = false;  ///< the device gets nothing from its channel from now on
  std::optional<DowngradePermission> downgrade;
  std::string idempotency_key;  ///< empty: none
  Digest body_digest{};         ///< with a key: SHA-256 of the request's body
};

struct UpgradeOutcome {
  Task task;
  bool created = false;                 ///< false: that task ran already
  TaskState state = TaskState::queued;  ///< what to answer as `status`
};

using firmware::Images;

/// Takes what the engine sends devices unasked: offers whose turn came, retries of stalls, cancels. Called on the
/// engine's thread after the commit; must not block.
class DeviceNotifier {
 public:
  virtual ~DeviceNotifier() = default;
  virtual void push(const std::string& device, const Answer& answer) = 0;
};

struct Options {
  TaskSettings tasks;
  DeviceSettings devices;
  DdiSettings ddi;
  RolloutSettings rollouts;
  FleetSettings fleet;
  EventSettings events;
  int keep_logs_days = 90;
  /// Called on the engine's thread after a commit with new events; must not block. May be empty.
  std::function<void()> events_written;
  std::shared_ptr<const firmware::Trust> trust;  ///< null: all firmware is trusted
  std::size_t max_waiting = 20'000;              ///< commands in the queue; one more is answered Errc::overloaded
  std::size_t max_batch = 512;                   ///< commands in one commit
};

/// Ended tasks by state and reason; reasons beyond a hundred in one `(others)`.
using EndedTasks = std::map<std::pair<TaskState, std::string>, std::uint64_t>;

inline constexpr double kCommitBounds[] = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5};
inline constexpr double kDeliveryBounds[] = {1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600};
inline constexpr double kRateBounds[] = {1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8};

struct Stats {
  std::size_t waiting = 0;  ///< commands in the queue
  std::size_t max_waiting = 0;
  std::uint64_t commands = 0;
  std::uint64_t refused = 0;  ///< queue full
  std::uint64_t commits = 0;
  std::uint64_t commit_faults = 0;
  Histogram commit_time{kCommitBounds};      ///< seconds of each COMMIT
  Histogram delivery_time{kDeliveryBounds};  ///< seconds from a task's first offer to its verified image
  Histogram delivery_rate{kRateBounds};      ///< bytes/s of the image in that time
  std::shared_ptr<const EndedTasks> ended = std::make_shared<EndedTasks>();
  std::int64_t slots_held = 0;
  std::int64_t slots = 0;  ///< tasks.max_active
  std::uint64_t tasks_created = 0;
  std::uint64_t tasks_succeeded = 0;
  std::uint64_t tasks_failed = 0;
  std::uint64_t retries = 0;
  std::uint64_t preemptions = 0;
  std::uint64_t transport_switches = 0;  ///< devices that went on over the other transport
  std::uint64_t transport_orders = 0;    ///< times that a device was told to do so during a task
  std::uint64_t smaller_grids = 0;       ///< attempts that got chunks of half the size
  Millis last_turn{0};                   ///< steady time when the engine's loop last went round; for the watchdog
  std::string fault;                     ///< why the database can't be written now; empty: it can
  std::size_t damaged = 0;               ///< firmware whose image was found damaged and not uploaded again yet
};

/// A download of no active transfer; without a proof, one with a good signature.
struct DownloadClaim {
  TaskId task;
  std::optional<DownloadProof> proof;
};

/// What it may do. A task of another device or image than the proof's is unknown.
enum class Access { granted, ended, not_now, unknown };
struct Admission {
  Access access = Access::unknown;
  std::uint32_t chunk_bytes = 0;                 ///< the task's grid, where it is granted
  std::optional<FirmwareSignature> signature{};  ///< of its firmware, where it is granted
};

/// What a device that asks for chunks gets: them, or what it is told instead.
using ChunkAccess = std::variant<ChunkGrant, Answer>;

/// The answer to a device's message; none for a progress that needs none.
using Reply = std::function<void(std::optional<Answer>)>;

/// Owns the engine's thread and the only writing connection. Every method takes a command into one bounded queue and
/// returns; the callback runs on the engine's thread after the commit (or at once, on the caller's, with
/// Errc::overloaded when the queue is full, Errc::cancelled when the engine stops). Callbacks must not block.
/// `caller` is for the transfer log and the audit log, which is written in the same transaction.
class Engine {
 public:
  static Result<std::unique_ptr<Engine>> create(storage::Backend& storage, Options options, const Clock& clock,
                                                Random& random, Images& images, DeviceNotifier& notifier);
  virtual ~Engine() = default;

  virtual void start() = 0;
  /// Takes no more commands, finishes those that wait, joins the thread.
  virtual void stop() = 0;
  /// New settings, from the next command on.
  virtual void apply(const Options& options) = 0;

  // Devices (docs/device-protocol.md).
  /// Answers as the message's part of the protocol says; nothing for a progress that needs no answer, and for
  /// attributes that were kept. Attributes that the settings name (ddi.version_attribute, ddi.hardware_attribute) count
  /// as what a request says. Errc::malformed beyond AttributeReport::kMost, where all attributes stay as they were.
  virtual void receive(DeviceId device, Credentials who, DeviceMessage message, Reply reply) = 0;
  /// A request by a client that only fetches; answers an Offer, QueuedAnswer, UpToDateAnswer or ErrorAnswer.
  virtual void latest(LatestQuery query, Credentials who, Reply reply) = 0;
  /// The device waits for what is pushed to it, which counts as contact. Answers what it was told last and has not
  /// begun: its offer or its retry. Errc::unknown_device, Errc::not_authorized.
  virtual void listen(DeviceId device, Credentials who, Done<std::optional<Answer>> done) = 0;
  /// A download came for a task that is not among the active transfers: it counts as contact with the device. With
  /// Access::granted the task is among the active transfers when the callback runs, or waits for its confirmation.
  virtual void download(DownloadClaim claim, Done<Admission> done) = 0;
  /// The device asks for chunks over MQTT. Where its task is an active transfer, `done` is called at once, on the
  /// caller's thread, and nothing is committed.
  virtual void fetch(DeviceId device, Credentials who, TaskId task, Done<ChunkAccess> done) = 0;

  // Operators (docs/rest.md).
  virtual void upgrade(UpgradeOrder order, Caller caller, Done<UpgradeOutcome> done) = 0;
  /// Errc::unknown_task, Errc::wrong_state (the message names the state).
  virtual void cancel(TaskId task, Caller caller, Done<Task> done) = 0;
  /// A new task for what a failed, cancelled or expired one was to do: end states are final.
  virtual void retry(TaskId task, Caller caller, Done<Task> done) = 0;
  virtual void set_priority(TaskId task, Priority priority, Caller caller, Done<Task> done) = 0;

  /// Writes a call that was refused, here or before it came here, into the audit log. Dropped, and counted, when the
  /// queue is full.
  virtual void audit(AuditEntry entry) = 0;
  /// A part of the server stopped working, or works again (`trouble` empty): an event.
  virtual void note_health(std::string component, std::string trouble) = 0;

  virtual Actions& actions() noexcept = 0;
  virtual FleetControl& fleet() noexcept = 0;
  virtual RegistryControl& registry() noexcept = 0;
  virtual KeyControl& keys() noexcept = 0;
  virtual ImageObserver& images() noexcept = 0;
  virtual WebhookControl& webhooks() noexcept = 0;
  virtual ActiveTransfers& transfers() noexcept = 0;
  virtual Stats stats() const = 0;
};

}  // namespace ota::engine
