// A task, a device and an entry of the transfer log, as stored in the database.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/contact.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/link.hpp"
#include "ota/domain/messages.hpp"
#include "ota/domain/priority.hpp"
#include "ota/domain/task_state.hpp"

namespace ota {

/// The channel of a device that has no other; it always exists.
inline constexpr const char* kDefaultChannel = "default";

/// Whether a task with a verified image waits until its device reports the new version: if the device has ever reported
/// a `current_version`, always, or never. Stored as numbers in the database.
enum class Confirm : std::uint8_t { never, always, automatic };
/// The values of `tasks.confirm`: `never`, `always`, `auto`.
std::string_view to_string(Confirm confirm);
std::optional<Confirm> parse_confirm(std::string_view text);

/// Why a queued task has no slot, as the scheduler saw it last. Kept as numbers in the database.
enum class WaitReason : std::uint8_t {
  none,            ///< it isn't queued, or was made just now
  slot,            ///< stands in the queue: it could start now and waits for a slot
  device_offline,  ///< its device wasn't seen lately, or gave it up by its silence (Task::parked)
  not_before,
  untrusted,       ///< its firmware isn't signed by a key that is trusted now, or is blocked
  image_missing,   ///< its image's file isn't there
  digests,         ///< the digests of its chunks are being made
  uplink,          ///< others with poor links behind its device's uplink go first
  device_busy,     ///< another task holds its device
  behind_own,      ///< another task of its device stands in the queue
  poll,            ///< its device only polls, and gets a slot when it does
  gate,            ///< the same, and the gate of its rollout is closed: once it has the image it installs it
  chunk_size       ///< its image needs larger chunks than its device accepts
};

/// One firmware for one device. It has a copy of the firmware's properties, so that a task can be read by itself.
/// `…_due` and `…_at_tl` are times of the engine's persistent clock (engine/persistent_clock.hpp), the others are UTC.
struct Task {
  TaskId id;
  std::string device;
  std::int64_t firmware_id = 0;
  std::string version;
  std::string hardware;
  Digest checksum{};
  std::uint64_t size = 0;
  std::uint32_t chunk_bytes = kDefaultChunkBytes;

  Priority priority = Priority::normal;
  TaskState state = TaskState::queued;
  int attempt = 1;
  int max_attempts = 3;
  Confirm confirm = Confirm::automatic;
  bool force = false;
  bool unasked = false;      ///< requested by an unproven device only: it ranks behind all others
  std::string reason;        ///< of the end, or of the last retry
  std::string detail;        ///< the device's own text about its failure, at most 1 KiB; empty: none
  bool confirmed = false;    ///< succeeded, and the device reported that it runs the version
  std::string from_version;  ///< running version before the image was verified; empty: unknown
  std::optional<DowngradePermission> downgrade;
  std::string created_by;
  std::int64_t retry_of = 0;  ///< number of the task that this one retries; 0: none

  WallTime created{};
  WallTime updated{};
  std::optional<WallTime> offered;  ///< first offer
  std::optional<WallTime> ended;
  std::optional<WallTime> not_before;
  std::optional<WallTime> expires_at;
  std::optional<WallTime> confirm_by;

  Millis queued_at_tl{0};            ///< start of its wait, from which ageing counts
  std::optional<Millis> wait_due;    ///< not_before, by the engine's clock
  std::optional<Millis> expiry_due;  ///< expires_at, by the engine's clock
  std::optional<Millis> state_due;   ///< the timeout of the current state
  std::optional<Millis> retry_due;   ///< in retry_wait: the end of retry_after_s
  int stalls = 0;                    ///< stalls in a row without a new chunk
  bool heard = false;                ///< the device was seen since the last stall
  bool parked = false;               ///< suspended until the device is online again
  WaitReason wait_reason = WaitReason::none;
  std::string slot_uplink;  ///< the poor uplink on which its slot takes one of the places; empty: none

  std::int64_t rollout = 0;  ///< number of the rollout that made it; 0: none
  ContactClass contact = ContactClass::minutes;   ///< its device's, when it was made or passed the gate
  std::optional<Millis> staged_tl;                ///< since when its verified image waits at the gate
  std::optional<Millis> passed_tl;                ///< when it passed the gate of its rollout
  std::optional<WallTime> postponed_until;        ///< the device doesn't want to install before
  bool overdue = false;                           ///< installing, `soak_s` is over, and its device wasn't seen since
  bool reported = false;                          ///< installing, and its device said that it runs the version
  WallTime bucket_since{};                        ///< since when it is in its bucket; kept by the storage

  std::uint32_t chunks_have = 0;
  std::uint64_t bytes_sent = 0;  ///< by this server, for this task
  int percent = 0;               ///< last report of a device that doesn't count chunks, in this attempt

  ChunkGrid grid() const { return {size, chunk_bytes}; }
  /// Whether its firmware is for devices of that hardware type; true if the type is unknown.
  bool fits(const std::string& its) const { return hardware.empty() || its.empty() || hardware == its; }
  /// An operator or the vendor forces the installation, whatever version the device runs.
  bool overrides_version() const { return force || downgrade.has_value(); }
};

/// A device in the registry.
struct Device {
  std::string id;
  std::string hardware;            ///< empty: unknown
  std::string reported_hardware;   ///< what it reports where it is registered as another; empty: the same
  std::string channel = kDefaultChannel;
  bool pinned = false;             ///< it gets nothing from its channel
  std::string timezone;            ///< its IANA name; empty: unknown
  std::uint32_t ring = 0;          ///< random: its place in the order in which a stage takes devices in
  Millis gap{0};                   ///< the mean gap between its contacts (next_gap)
  std::string current_version;     ///< running version as far as known; any text that it reported; empty: unknown
  bool version_confirmed = false;  ///< the device reported it; else it is the version of a verified image
  bool tells_version = false;      ///< it has ever reported its version, so it can confirm an update
  std::int64_t last_update = 0;    ///< number of the task whose image it verified last; 0: none
  bool registered = false;         ///< by an operator; then its reports don't change its hardware
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string> attributes;  ///< what it says of itself (AttributeReport)
  std::optional<Digest> secret;       ///< SHA-256 of its token
  bool claimed = false;               ///< it chose that token itself, in its first message
  bool certified = false;             ///< it has authenticated by a client certificate with its id
  std::vector<Transport> transports;  ///< its last report; empty: none
  std::optional<std::uint32_t> max_chunk_bytes;
  std::optional<std::uint32_t> max_message_bytes;  ///< of a message's payload, its last report
  WallTime created{};
  std::optional<WallTime> last_seen;
  Millis present_until_tl{0};          ///< by the engine's clock
  std::optional<Transport> transport;  ///< of its last chunk
  std::optional<Protocol> protocol;    ///< of its last message; nothing: none since schema 16
  std::string client;                  ///< Credentials::client of that; empty: unknown
  LinkReport link;                     ///< its last report
  LinkRecord quality;                  ///< link quality
  std::chrono::seconds poll{0};        ///< how often it was asked to poll; 0: it is sent messages, too
  bool wants_attributes = false;       ///< one that only polls is asked for its attributes
  std::string held_uplink;             ///< its task waits for others on this uplink; empty: it doesn't wait

  /// `poll` is less than a day.
  static constexpr Millis kLongestPatience = std::chrono::hours{24} * 5 / 2;

  /// It receives nothing but what it asks for, and installs an image once it has it (docs/hawkbit.md).
  bool only_polls() const { return poll.count() > 0; }
  /// How long to wait for one that only polls: two polls and a half.
  Millis patience() const { return Millis{poll} * 5 / 2; }
  /// How long it is online after a contact; `present`: one that is sent messages (devices.present_s).
  Millis online_for(Millis present) const { return std::max(present, patience()); }
  /// Identified by an operator or a certificate authority. A self-chosen token only shows that it is the same device.
  bool proven() const { return registered || certified || (secret && !claimed); }
  /// The tag `uplink`: the uplink that it shares with others; empty: unknown.
  const std::string& uplink() const;
};

/// Whether firmware for `hardware` (empty: for all) fits what the device is registered as, and what it reports.
bool fits(const std::string& hardware, const Device& device);

/// One entry of a task's transfer log. `kind`: `created`, `state`, `priority`, `chunks`, `mismatch`, `retry`,
/// `transport`, `device` (a state that the device reported), and others.
struct LogEntry {
  std::int64_t id = 0;
  std::int64_t task = 0;
  WallTime at{};
  std::string kind;
  std::string by;  ///< `device`, `engine`, `timer`, or the operator's name
  std::optional<TaskState> from;
  std::optional<TaskState> to;
  std::string event;  ///< of the state table, or the state that the device reported
  std::string reason;
  std::string detail;  ///< the device's own text
  int attempt = 0;
  ChunkRanges chunks;
  std::uint64_t bytes = 0;
  std::int64_t ms = 0;  ///< duration of the transfer of `bytes`
  std::optional<Transport> transport;
};

}  // namespace ota
