// Messages from and to devices as values (docs/device-protocol.md). The device module converts them from and to JSON.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/result.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/priority.hpp"

namespace ota {

enum class Transport : std::uint8_t { http, mqtt };
std::string_view to_string(Transport transport);
std::optional<Transport> parse_transport(std::string_view text);

/// How a device reached the server: messages over MQTT or HTTP, hawkBit's device interface, or GET /firmware/latest.
/// Stored as numbers in the database.
enum class Protocol : std::uint8_t { mqtt, http, ddi, latest };
std::string_view to_string(Protocol protocol);

/// What a client calls itself (User-Agent, RFC 9110 section 10.1.5): its first 64 bytes, each that is no visible ASCII
/// character or blank replaced by `?`.
std::string fit_client(std::string_view text);

/// A device's credentials, as they came with the message, and by which protocol.
struct Credentials {
  std::optional<Digest> token_digest;  ///< SHA-256 of the token that it sent
  bool token_fit = false;              ///< the token is acceptable as the first one of a new device (fit_secret)
  bool certified = false;              ///< a client certificate with its id as common name
  bool gateway = false;                ///< its token speaks for every device that has none of its own
  Protocol protocol = Protocol::http;
  std::string client;                  ///< fit_client(); empty: it doesn't say
  std::string remote;                  ///< over HTTP with a token: the address of the client

  bool via_broker() const { return protocol == Protocol::mqtt; }  ///< which may have authenticated it
};

/// Whether a device may choose this token: 16 to 128 visible ASCII characters, which an HTTP header can carry too.
bool fit_secret(std::string_view token);

/// Whether the text has the form of an IANA time zone's name: 1 to 64 of `A-Z a-z 0-9 _ + - /`. Such a zone need not
/// exist.
bool fit_timezone(std::string_view text);

/// docs/device-protocol.md, request.
struct DeviceRequest {
  std::optional<std::string> version;
  std::optional<std::string> current_version;  ///< any text; compared only if it is a valid version
  std::optional<std::string> hardware;
  std::optional<std::vector<Transport>> transports;
  std::optional<std::uint32_t> max_chunk_bytes;
  std::optional<std::uint32_t> max_message_bytes;  ///< of an answer's payload, at least kMinMessageBytes
  std::optional<std::string> timezone;             ///< fit_timezone
  std::optional<std::string> channel;              ///< valid_channel; need not exist
  std::chrono::seconds polls{0};                   ///< it only polls, and was asked to do so that often
};

/// What a device says of itself, beside what the server understands.
struct AttributeReport {
  static constexpr std::size_t kMost = 100;    ///< of one device
  static constexpr std::size_t kLongest = 128;  ///< bytes of a key, and of a value

  enum class Mode : std::uint8_t { merge, replace, remove };
  Mode mode = Mode::merge;
  std::map<std::string, std::string> values;  ///< fit_attribute() each; with Mode::remove their texts don't matter
};

/// Whether a device may have that attribute: a key of 1 to 128 bytes without control characters and a value of at most
/// 128 bytes without NUL, both UTF-8.
bool fit_attribute(std::string_view key, std::string_view value);

/// The minimum of `max_message_bytes`: every message except an offer fits into it.
inline constexpr std::uint32_t kMinMessageBytes = 256;

struct LinkReport {
  std::optional<double> rtt_ms;
  std::optional<double> rssi;  ///< dBm
  std::optional<double> loss;  ///< 0 to 1

  /// Takes the values that `newer` has.
  void merge(const LinkReport& newer);
};

enum class DeviceState : std::uint8_t { downloading, installing, rebooting, installed, rolled_back, failed, postponed };
std::string_view to_string(DeviceState state);
std::optional<DeviceState> parse_device_state(std::string_view text);

/// docs/device-protocol.md, progress.
struct ProgressReport {
  TaskId task;
  ChunkRanges chunks;          ///< empty: the device reported no chunks
  bool mismatch = false;       ///< `chunks` are corrupt; else they are correct
  std::optional<int> percent;  ///< 0 to 100
  std::optional<DeviceState> state;
  std::string reason;          ///< up to 1 KiB: the device's own text, with DeviceState::failed and rolled_back
  std::optional<int> attempt;  ///< the attempt that it is about; nothing: the current one
  std::optional<Transport> transport;
  LinkReport link;
  std::optional<WallTime> until;  ///< with DeviceState::postponed, always; else nothing
};

/// docs/device-protocol.md, verify.
struct VerifyReport {
  TaskId task;
  std::optional<int> attempt;
  Digest checksum;
  std::optional<ChunkRanges> bad_chunks;
};

/// One message from a device to the server, but for those that ask for chunks.
using DeviceMessage = std::variant<DeviceRequest, ProgressReport, VerifyReport, AttributeReport>;

/// Ed25519 over the text of docs/device-protocol.md, Signatures.
struct FirmwareSignature {
  std::string key_id;
  std::string value;  ///< base64
  bool operator==(const FirmwareSignature&) const = default;
};

/// A vendor's permission to install the firmware that it comes with, although it is older than one that the device has
/// run (docs/device-protocol.md, Signatures).
struct DowngradePermission {
  std::string device;   ///< a device id, or `*` for every device
  std::string expires;  ///< RFC 3339, as it was signed; not valid from then on
  FirmwareSignature signature;
  bool operator==(const DowngradePermission&) const = default;
};

/// docs/device-protocol.md, Chunks.
struct ChunkRequest {
  TaskId task;
  ChunkRanges chunks;  ///< not empty
};

/// The engine's part of a `metadata` message; the device module adds URLs and digests.
struct Offer {
  TaskId task;
  DeviceId device;
  std::string version;
  std::string hardware;  ///< empty: the firmware is for all devices
  Priority priority = Priority::normal;
  int attempt = 1;
  int max_attempts = 3;
  Digest checksum{};
  ChunkGrid grid;
  ChunkRanges missing;
  std::vector<Transport> transports;
  std::optional<FirmwareSignature> signature;
  std::optional<std::uint32_t> max_message_bytes{};  ///< the device's
  std::optional<DowngradePermission> downgrade{};
  std::optional<Md5Digest> md5{};  ///< for clients that only fetch; otherwise nothing
};

struct SuccessAnswer {
  TaskId task;
  std::string version;
  std::optional<WallTime> confirm_by;
};
struct RetryAnswer {
  Offer offer;
  std::string reason;
  int retry_after_s = 0;
};
struct FailedAnswer {
  TaskId task;
  std::string reason;
  int attempts = 0;
};
struct QueuedAnswer {
  TaskId task;
  std::int64_t position = 1;  ///< from 1; counted up to a bound, see engine
  int retry_after_s = 30;
};
struct UpToDateAnswer {
  std::optional<std::string> version;  ///< the running version, if known; left out if it is too long
};
enum class CancelReason : std::uint8_t { cancelled, preempted, superseded, rollout_cancelled };
std::string_view to_string(CancelReason reason);
struct CancelAnswer {
  TaskId task;
  CancelReason reason = CancelReason::cancelled;
};
struct ErrorAnswer {
  Error error;
  std::optional<TaskId> task;
  std::optional<std::uint32_t> max_message_bytes{};  ///< the device's
};
enum class HoldReason : std::uint8_t { pace, window, paused, halted, approval, postponed };
std::string_view to_string(HoldReason reason);
/// The image is right and must not be installed yet.
struct HoldAnswer {
  TaskId task;
  HoldReason reason = HoldReason::pace;
  std::optional<WallTime> until;  ///< when the reason ends, if that is known
  int retry_after_s = 60;         ///< the device then sends `verify` again
};

/// One message from the server to a device.
using Answer = std::variant<Offer, SuccessAnswer, RetryAnswer, FailedAnswer, QueuedAnswer, UpToDateAnswer, CancelAnswer,
                            ErrorAnswer, HoldAnswer>;

/// `metadata`, `success`, …: the last level of its topic and its `type`.
std::string_view type_of(const Answer& answer);

}  // namespace ota
