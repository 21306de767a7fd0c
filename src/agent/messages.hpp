// The JSON of the protocol on the device's side (docs/device-protocol.md, Messages).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/result.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/messages.hpp"

namespace ota::agent {

/// An update to download, from `metadata`.
struct Assignment {
  std::string id;
  std::string version;
  std::string hardware;
  std::string priority;
  int attempt = 1;
  int max_attempts = 1;
  Digest checksum{};
  ChunkGrid grid;
  ChunkRanges missing;
  std::vector<Transport> transports{Transport::http};  ///< in the server's order
  std::string chunk_url;                               ///< with `{index}`
  std::string manifest_url;
  std::string image_url;       ///< all of it; may be empty
  std::vector<Digest> chunks;  ///< empty where only the manifest has them
  std::optional<FirmwareSignature> signature;
  std::optional<DowngradePermission> downgrade;
};

struct Metadata {
  Assignment task;
};
struct Retry {
  Assignment task;
  std::string reason;
  int retry_after_s = 0;
};
struct Success {
  std::string task_id;
  std::string version;   ///< of the task
  bool confirm = false;  ///< the server waits for a report of the new version
};
struct Failed {
  std::string task_id;
  std::string reason;
  int attempts = 0;
};
struct Queued {
  std::string task_id;
  long position = 0;
  int retry_after_s = 30;
};
struct UpToDate {
  std::string version;
};
struct Hold {
  std::string task_id;
  std::string reason;
  std::string until;  ///< as the server wrote it; empty: unknown
  int retry_after_s = 60;
};
struct Cancel {
  std::string task_id;
  std::string reason;
};
struct Refusal {
  std::string code;
  std::string message;
  std::string task_id;
  int retry_after_s = 0;
};
using ServerMessage = std::variant<Metadata, Retry, Success, Hold, Failed, Queued, UpToDate, Cancel, Refusal>;

/// Errc::malformed with the name of the invalid field. Unknown fields are ignored. The result is safe to use: versions
/// are valid in file names, chunk layouts and ranges are within the protocol's limits.
Result<ServerMessage> parse_message(std::string_view payload);

/// Its `type`; empty if it is not a message.
std::string type_of(std::string_view payload);

/// A manifest as JSON: the chunks' digests.
Result<std::vector<Digest>> parse_manifest(std::string_view json, const Assignment& task);

struct Identity {
  std::string current_version;  ///< empty: not known
  std::string hardware, want_version, token;
  std::optional<std::uint32_t> max_chunk_bytes;
  std::optional<std::uint32_t> max_message_bytes;
  std::string timezone, channel;  ///< empty: not sent
};

std::string request_json(const Identity& who);
std::string chunk_request_json(const std::string& token, const std::string& task_id, const ChunkRanges& chunks);
std::string verify_json(const Identity& who, const Assignment& task, const Digest& checksum,
                        const ChunkRanges& bad_chunks);
std::string progress_json(const Identity& who, const Assignment& task, const ChunkRanges& chunks, bool ok,
                          Transport transport, double rtt_ms);
std::string state_json(const Identity& who, std::string_view task_id, std::string_view state,
                       const std::string& reason);
/// The device's owner doesn't let it be installed before `until`.
std::string postponed_json(const Identity& who, std::string_view task_id, WallTime until);

/// `scheme://host:port` of an address; empty for one that isn't http or https, or names a user.
std::string origin_of(const std::string& url);

/// Progress of an installation; stored with its task, so that it survives a restart of the machine.
struct InstallRecord {
  int tries = 0;             ///< number of starts of the install command
  std::string stopped_in;    ///< boot id at which the agent stopped during the install command
  std::string from_version;  ///< the version that ran before
  std::string output;        ///< the end of the install command's output
  std::string outcome;       ///< once it is known: `installed`, `rolled_back`, `superseded` or `failed`, which is to be reported
  std::string reason;        ///< with an outcome other than `installed`
};

/// A task as stored on disk, without its URLs and digests.
struct KeptTask {
  Assignment task;
  std::string gateway;  ///< where its chunks came from: `http://gw:8080`
  std::string phase;  ///< `downloading`, `verifying`, `verified`, `installing`, `rebooting`, `confirming`, `reporting`
  bool confirm = false;
  InstallRecord install;
};
std::string task_to_json(const Assignment& task, std::string_view phase, bool confirm, const InstallRecord& install);
std::optional<KeptTask> task_from_json(std::string_view json);

/// A text of one flat object; empty where it is none.
std::string text_field(std::string_view json, std::string_view field);

}  // namespace ota::agent
