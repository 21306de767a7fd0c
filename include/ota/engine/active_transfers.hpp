// What moves between two commits: which chunks went to whom, how fast. In memory; the engine writes it down each
// second.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/mutex.hpp"
#include "ota/domain/byte_cover.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/link.hpp"
#include "ota/domain/messages.hpp"

namespace ota::engine {

/// How a transfer stands now.
struct TransferView {
  std::uint32_t chunks_have = 0;
  std::uint64_t bytes_partial = 0;  ///< that went of chunks which aren't whole yet
  std::uint64_t bytes_sent = 0;     ///< since the task was made
  double rate = 0;                  ///< bytes/s, smoothed; 0 when nothing moved for some seconds
  int percent = 0;                  ///< as a device that doesn't know chunks says
  std::optional<Transport> transport;
};

/// How a task's bytes share a cap with others.
struct TransferClass {
  std::uint64_t device = 0;  ///< a hash of its id
  bool security = false;
  bool repeats = false;  ///< it was sent more than its allowance
};

/// What became of one task since it was last looked at.
struct TransferChange {
  ChunkBitmap have;
  std::uint32_t fresh = 0;            ///< chunks that it hadn't before
  std::uint64_t bytes_sent = 0;       ///< since the task was made
  std::uint64_t bytes_fresh = 0;      ///< since the last look
  std::uint64_t bytes_new = 0;        ///< of these, bytes of the image that hadn't gone before
  std::uint64_t bytes_since_new = 0;  ///< since the last fresh chunk, or such a byte
  bool heard = false;                 ///< the device said something
  bool heard_mqtt = false;            ///< and that over MQTT
  std::uint32_t broken = 0;           ///< replies that were cut
  LinkSample line;                    ///< what its connections showed
  double rate = 0;                    ///< as in TransferView
  LinkReport link;                    ///< what it said of its link last
  int percent = 0;
  std::optional<Transport> transport;
};

/// A task that takes a slot, and how its device proves itself.
struct Transfer {
  TaskId task;
  std::string device;
  Digest image{};
  std::uint32_t chunk_bytes = 0;
  bool must_prove = false;       ///< without a proof the device isn't believed
  std::optional<Digest> secret;  ///< SHA-256 of its token, if it has one
  ChunkBitmap have;
  std::uint64_t bytes_sent = 0;     ///< since the task was made
  std::uint64_t allowance = ~0ull;  ///< of them that go at full speed (download_allowance)
  int percent = 0;                  ///< what its device said last in this attempt
  Priority priority = Priority::normal;
  std::optional<FirmwareSignature> signature;  ///< of its firmware, for manifests
  std::int64_t firmware = 0;                   ///< id
  std::string filename{};                      ///< of its firmware; empty: unknown yet
};

/// What a download without a signed URL shows.
struct DownloadProof {
  Digest image{};
  std::optional<Digest> token;  ///< SHA-256 of the bearer token
  std::string certified;        ///< the client certificate's name; empty: none
};

/// The task that a download belongs to, and its grid.
struct DownloadGrant {
  TaskId task;
  std::uint32_t chunk_bytes = 0;
};

/// Whether a download's proof is that of the device with this name and secret. Compares in constant time.
bool proves(const DownloadProof& proof, const std::string& device, const std::optional<Digest>& secret);

/// A download by the name of its file.
struct ArtifactGrant {
  TaskId task;
  Digest image{};
  std::uint32_t chunk_bytes = 0;
  std::string filename;
};

/// What a device may be sent chunks of over MQTT.
struct ChunkGrant {
  Digest image{};
  std::uint32_t chunk_bytes = 0;
};

/// One entry for each task that holds a slot, so at most `tasks.max_active`. Thread-safe; its lock is a leaf.
class ActiveTransfers {
 public:
  explicit ActiveTransfers(const Clock& clock);

  /// The chunk path's check: may this task download now, without asking the engine? What counts where downloads are
  /// slowed down; nothing for a task that isn't here.
  std::optional<TransferClass> active(std::int64_t task) const;
  /// The same for a download without a signed URL: the task of that image whose device the proof is of. `task` may
  /// name it; then nothing is answered for any other.
  std::optional<DownloadGrant> admit(const DownloadProof& proof, const std::optional<TaskId>& task) const;
  /// Chunks were handed to the kernel whole. Tasks that aren't here and chunks past the grid are passed over.
  /// `chunk_bytes`: the grid that they are counted on; those of a grid that the task has no more are passed over. 0:
  /// the present one.
  void chunks(std::int64_t task, const ChunkRange& range, Transport transport, std::uint32_t chunk_bytes = 0);
  /// Bytes went out.
  void bytes(std::int64_t task, std::uint64_t count);
  /// Bytes `offset` .. `offset + length` of the image were handed to the kernel: chunks that are whole by that are
  /// recorded, parts of others add up. `grid` as in chunks().
  void sent(std::int64_t task, const ChunkGrid& grid, std::uint64_t offset, std::uint64_t length);
  /// A reply with the task's bytes was cut.
  void broken(std::int64_t task);
  /// What a connection that carries the task's bytes showed.
  void line(std::int64_t task, const LinkSample& sample);
  std::optional<TransferView> view(std::int64_t task) const;
  /// Of all tasks that are here.
  std::unordered_map<std::int64_t, TransferView> views() const;
  /// The vendor's signature of the task's firmware; nothing where it has none, or the task isn't here.
  std::optional<FirmwareSignature> signature(std::int64_t task) const;

  /// A plain report of good chunks from the device itself; false where the engine must look at it: another's task, one
  /// not here, a secret to check, chunks past the grid.
  bool report(const std::string& device, const Credentials& who, const ProgressReport& progress);
  /// The device asks for chunks, which counts as contact; nothing where the engine must look at it: another's task, one
  /// not here, a secret to check.
  std::optional<ChunkGrant> fetch(const std::string& device, const Credentials& who, const TaskId& task);

  /// The device downloads the file of that firmware, which counts as contact; nothing where the engine must look at
  /// it: not its active task, a secret to check.
  std::optional<ArtifactGrant> artifact(const std::string& device, const Credentials& who, std::int64_t firmware);

  // The engine's side.

  void open(Transfer transfer);
  void set_priority(std::int64_t task, Priority priority);
  void set_allowance(std::int64_t task, std::uint64_t bytes);
  void close(std::int64_t task);
  void replace_chunks(std::int64_t task, const ChunkBitmap& have, std::uint32_t chunk_bytes);
  void set_chunks(std::int64_t task, const ChunkRanges& ranges, std::optional<Transport> transport);
  void set_percent(std::int64_t task, int percent);
  /// What changed since the last look.
  std::optional<TransferChange> collect(std::int64_t task);
  /// What there is to collect.
  std::vector<std::int64_t> changed() const;
  /// Of that, what was offered or told to retry and began to move by `then` (of Clock::steady): that changes its state.
  std::vector<std::int64_t> began(Millis then) const;
  /// Closes all but these; those that stay are looked at anew.
  void keep_only(const std::vector<std::int64_t>& tasks);

 private:
  static constexpr Millis kRateStale{5'000};  // a rate that was seen longer ago counts no more

  struct Entry {
    TaskId id;
    std::string device;
    TransferClass transfer_class;
    Digest image{};
    std::uint32_t chunk_bytes = 0;
    bool must_prove = false;
    std::optional<Digest> secret;
    bool dirty = false;           // changed since the last look
    bool quiet = true;            // nothing came since it was opened or its chunks were replaced
    std::optional<Millis> began;  // when it was quiet no more, until that is looked at
    TransferChange change;
    ByteCover parts;  // that went of chunks which aren't whole
    std::uint64_t allowance = 0;
    std::optional<FirmwareSignature> signature;
    std::int64_t firmware = 0;
    std::string filename;
    double rate = 0;
    Millis rate_since{0};
    std::uint64_t rate_bytes = 0;
  };
  /// A digest of a random secret is as good as a hash.
  struct SecretHash {
    std::size_t operator()(const Digest& secret) const;
  };
  using Entries = std::unordered_map<std::int64_t, Entry>;
  Entry* find(std::int64_t task) OTA_REQUIRES(mutex_);
  const Entry* proven(const DownloadProof& proof, const std::optional<TaskId>& task) const OTA_REQUIRES(mutex_);
  Entries::iterator drop(Entries::iterator entry) OTA_REQUIRES(mutex_);
  /// The task's entry where it is that device's and it proved itself, or needn't.
  Entry* believed(const std::string& device, const Credentials& who, const TaskId& task) OTA_REQUIRES(mutex_);
  void add(Entry& entry, const ChunkRange& range, std::optional<Transport> transport);
  void count(Entry& entry, std::uint64_t bytes);
  TransferView view_of(const Entry& entry) const;
  void mark_changed(Entry& entry);

  const Clock& clock_;
  mutable Mutex mutex_;
  Entries entries_ OTA_GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::int64_t> of_device_ OTA_GUARDED_BY(mutex_);         // its task
  std::unordered_map<Digest, std::int64_t, SecretHash> of_secret_ OTA_GUARDED_BY(mutex_);  // its device's task
};

}  // namespace ota::engine
