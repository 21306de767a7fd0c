// A task, a device and an entry of the transfer log: what the database keeps.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/link.hpp"
#include "ota/domain/messages.hpp"
#include "ota/domain/priority.hpp"
#include "ota/domain/task_state.hpp"

namespace ota {

/// Whether a task waits, once its image is verified, until its device says that it runs the new version: where the
/// device can say so (it told a `current_version` before), always, or never. Kept as numbers in the database.
enum class Confirm : std::uint8_t { never, always, automatic };
/// As `tasks.confirm` has it: `never`, `always`, `auto`.
std::string_view to_string(Confirm confirm);
std::optional<Confirm> parse_confirm(std::string_view text);

/// One firmware for one device. The firmware's facts are copied in, so that a task can be read by itself.
/// Times named `…_due` and `…_at_tl` are on the engine's timeline (see engine/timeline.hpp), the others UTC.
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
  bool unasked = false;      ///< nobody but an unproven device asked for it: it ranks behind all others
  std::string reason;        ///< of the end, or of the last retry
  std::string detail;        ///< the device's own text about its failure, at most 1 KiB; empty: none
  bool confirmed = false;    ///< succeeded, and the device said itself that it runs the version
  std::string from_version;  ///< what the device ran last before the image was verified; empty: unknown
  std::optional<DowngradePermission> downgrade;
  std::string created_by;
  std::int64_t retry_of = 0;  ///< number of the task that this one tries again; 0: none

  WallTime created{};
  WallTime updated{};
  std::optional<WallTime> offered;  ///< first offer
  std::optional<WallTime> ended;
  std::optional<WallTime> not_before;
  std::optional<WallTime> expires_at;
  std::optional<WallTime> confirm_by;

  Millis queued_at_tl{0};            ///< since when it waits: what ageing counts from
  std::optional<Millis> wait_due;    ///< not_before on the timeline
  std::optional<Millis> expiry_due;  ///< expires_at on the timeline
  std::optional<Millis> state_due;   ///< the timeout of the present state
  std::optional<Millis> retry_due;   ///< in retry_wait: when retry_after_s is over
  int stalls = 0;                    ///< stalls in a row without a new chunk
  bool heard = false;                ///< the device was heard since the last stall
  bool parked = false;               ///< waits until the device is heard again

  std::uint32_t chunks_have = 0;
  std::uint64_t bytes_sent = 0;  ///< by this server, for this task
  int percent = 0;               ///< what a device that doesn't know chunks said last, in this attempt

  ChunkGrid grid() const { return {size, chunk_bytes}; }
  /// Whether its firmware may go to a device of that hardware; what isn't known fits.
  bool fits(const std::string& its) const { return hardware.empty() || its.empty() || hardware == its; }
  /// What the device runs doesn't make it needless: an operator or the vendor wants it all the same.
  bool overrides_version() const { return force || downgrade.has_value(); }
};

/// A device as the registry knows it.
struct Device {
  std::string id;
  std::string hardware;            ///< empty: unknown
  std::string current_version;     ///< what the registry takes it to run; any text that it said; empty: unknown
  bool version_confirmed = false;  ///< it said so itself; else that is the version of a verified image
  bool tells_version = false;      ///< it said what it runs at least once, so it can confirm an update
  std::int64_t last_update = 0;    ///< number of the task whose image it verified last; 0: none
  bool registered = false;         ///< by an operator: what a device says doesn't change its hardware then
  std::map<std::string, std::string> tags;
  std::optional<Digest> secret;       ///< SHA-256 of its token
  bool claimed = false;               ///< it brought that secret itself, at its first contact
  bool certified = false;             ///< it came with a client certificate of its id
  std::vector<Transport> transports;  ///< as it said last; empty: never said
  std::optional<std::uint32_t> max_chunk_bytes;
  std::optional<std::uint32_t> max_message_bytes;  ///< of an answer's payload, as it said last
  WallTime created{};
  std::optional<WallTime> last_seen;
  Millis present_until_tl{0};          ///< on the engine's timeline
  std::optional<Transport> transport;  ///< of its last chunk
  LinkReport link;                     ///< what it said last
  LinkRecord quality;                  ///< what was seen of it
  std::string held_uplink;             ///< its task waits because others behind this uplink download; empty: it doesn't

  /// An operator or an authority stands behind it: a secret of its own choice only says that it is the same as before.
  bool proven() const { return registered || certified || (secret && !claimed); }
  /// The tag `uplink`: what it shares with others; empty: nothing is known.
  const std::string& uplink() const;
};

/// One line of a task's transfer log. `kind` is what happened: `created`, `state`, `chunks`, `mismatch`, `retry`,
/// `transport`, `device` (what it said it does), `answer`.
struct LogEntry {
  std::int64_t id = 0;
  std::int64_t task = 0;
  WallTime at{};
  std::string kind;
  std::string by;  ///< `device`, `engine`, `timer`, or the operator's name
  std::optional<TaskState> from;
  std::optional<TaskState> to;
  std::string event;  ///< of the state table, or what the device said
  std::string reason;
  std::string detail;  ///< the device's own text
  int attempt = 0;
  ChunkRanges chunks;
  std::uint64_t bytes = 0;
  std::int64_t ms = 0;  ///< how long `bytes` took
  std::optional<Transport> transport;
};

}  // namespace ota
