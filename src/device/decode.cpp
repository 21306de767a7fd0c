#include "device/decode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <utility>

#include "device/credentials.hpp"
#include "ota/base/text.hpp"
#include "ota/domain/version.hpp"
#include "ota/wire/json_fields.hpp"

namespace ota::device {
namespace {

constexpr int kMostAttempts = 1'000'000;
constexpr std::size_t kMaxWord = 256;
constexpr std::size_t kMaxReason = 1024;
constexpr std::size_t kMaxVersionText = 128;
constexpr std::uint32_t kMaxMessageBytes = 1u << 30;  // a larger value means no limit
constexpr wire::JsonLimits kLimits{kMaxDevicePayload, 8, 20'000, true};

/// The field's text if `valid` accepts it; otherwise adds an error.
template <class Valid>
std::optional<std::string> checked_text(wire::JsonFields& fields, std::string_view name, Valid valid,
                                        std::string_view otherwise) {
  auto text = fields.text(name, kMaxDevicePayload);
  if (!text || valid(*text)) return text;
  fields.errors().add(name, std::string(otherwise));
  return std::nullopt;
}

/// The field's value if `parse` accepts it; otherwise adds an error.
template <class Parse>
auto checked_word(wire::JsonFields& fields, std::string_view name, Parse parse, std::string_view otherwise)
    -> decltype(parse(std::string_view{})) {
  const auto text = fields.text(name, kMaxWord);
  if (!text) return {};
  auto value = parse(std::string_view(*text));
  if (!value) fields.errors().add(name, std::string(otherwise));
  return value;
}

/// An informational field: nothing if `valid` refuses it.
template <class Valid>
std::optional<std::string> valid_note(const wire::JsonFields& fields, std::string_view name, Valid valid) {
  auto text = fields.note(name, kMaxWord);
  return text && valid(*text) ? text : std::nullopt;
}

/// An informational number: nothing if it isn't whole and from `min` to `max`.
std::optional<int> noted_integer(const wire::JsonFields& fields, std::string_view name, int min, int max) {
  const auto number = fields.noted_number(name, min, max);
  if (!number || std::floor(*number) != *number) return std::nullopt;
  return static_cast<int>(*number);
}

bool ends_installation(const std::optional<DeviceState>& state) {
  return state == DeviceState::failed || state == DeviceState::rolled_back || state == DeviceState::installed;
}

std::optional<std::string> version(wire::JsonFields& fields, std::string_view name) {
  return checked_text(fields, name, valid_version,
                      "must be a version: 1 to 128 of A-Z a-z 0-9 . _ + ~ : -, no leading . or -, no ..");
}

/// The running version, unchanged also if it is not a valid version. A text that is cut gets a character at its end
/// that no version has, so that cutting can't make it a valid version.
std::optional<std::string> current_version(wire::JsonFields& fields) {
  constexpr std::string_view kCut = "…";
  auto text = fields.text("current_version", kMaxDevicePayload);
  if (text && text->size() > kMaxVersionText)
    text = std::string(utf8_prefix(*text, kMaxVersionText - kCut.size())).append(kCut);
  return text;
}

/// The transports that otad supports; others are ignored.
std::optional<std::vector<Transport>> transports(wire::JsonFields& fields) {
  constexpr std::size_t kMost = 8;
  const auto words = fields.texts("transports", kMost, kMaxWord);
  if (!words) return std::nullopt;
  std::vector<Transport> found;
  for (const auto& word : *words) {
    const auto transport = parse_transport(word);
    if (transport && std::find(found.begin(), found.end(), *transport) == found.end()) found.push_back(*transport);
  }
  if (!found.empty()) return found;
  fields.errors().add("transports", "must name \"http\" or \"mqtt\"");
  return std::nullopt;
}

std::optional<std::uint32_t> max_chunk_bytes(wire::JsonFields& fields) {
  constexpr std::int64_t kAny = std::int64_t{1} << 53;
  const auto bytes = fields.integer("max_chunk_bytes", kMinChunkBytes, kAny);
  if (!bytes) return std::nullopt;
  return static_cast<std::uint32_t>(std::min<std::int64_t>(*bytes, kMaxChunkBytes));
}

std::optional<std::uint32_t> max_message_bytes(wire::JsonFields& fields) {
  constexpr std::int64_t kAny = std::int64_t{1} << 53;
  const auto bytes = fields.integer("max_message_bytes", 0, kAny);
  if (!bytes) return std::nullopt;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(*bytes, kMinMessageBytes, kMaxMessageBytes));
}

Credentials credentials(wire::JsonFields& fields) {
  return token_credentials(fields.text("token", kMaxToken).value_or(""));
}

std::optional<TaskId> task_id(wire::JsonFields& fields) {
  fields.require("task_id");
  return checked_word(fields, "task_id", TaskId::parse, "must be a task id such as OTA_20261122_000042");
}

/// `chunk` or `chunks`, and their `status`.
void chunks(wire::JsonFields& fields, ProgressReport& report) {
  if (fields.has("chunk") && fields.has("chunks"))
    fields.errors().add("chunk", "must not be given together with \"chunks\"");
  if (const auto index = fields.chunk("chunk")) report.chunks.push_back({*index, *index});
  if (auto ranges = fields.ranges("chunks", 1, kMaxRanges)) report.chunks = std::move(*ranges);
  const auto status = fields.text("status", kMaxWord);
  if (!status) return;
  report.mismatch = *status == "mismatch";
  if (!report.mismatch && *status != "ok") fields.errors().add("status", "must be \"ok\" or \"mismatch\"");
  if (report.mismatch && !fields.has("chunk") && !fields.has("chunks"))
    fields.errors().add("status", "says \"mismatch\" without \"chunk\" or \"chunks\"");
}

LinkReport link(wire::JsonFields& fields) {
  LinkReport report;
  report.rtt_ms = fields.noted_number("rtt_ms", 0, 1e7);
  report.rssi = fields.noted_number("rssi", -1000, 1000);
  report.loss = fields.noted_number("loss", 0, 1);
  return report;
}

void read(wire::JsonFields& fields, DeviceRequest& message, std::optional<TaskId>&) {
  message.version = version(fields, "version");
  message.current_version = current_version(fields);
  message.hardware = checked_text(fields, "hardware", valid_hardware, kHardwareRule);
  message.transports = transports(fields);
  message.max_chunk_bytes = max_chunk_bytes(fields);
  message.max_message_bytes = max_message_bytes(fields);
  message.timezone = valid_note(fields, "timezone", fit_timezone);
  message.channel = valid_note(fields, "channel", valid_channel);
}

void read(wire::JsonFields& fields, ProgressReport& message, std::optional<TaskId>& task) {
  task = task_id(fields);
  if (task) message.task = *task;
  message.state = checked_word(fields, "state", parse_device_state,
                               "must be one of \"downloading\", \"installing\", \"rebooting\", \"installed\", "
                               "\"rolled_back\", \"failed\", \"postponed\"");
  if (message.state == DeviceState::postponed) {
    fields.require("until");
    message.until = checked_word(fields, "until", parse_rfc3339, "must be a time such as 2026-11-22T08:30:00Z");
  }
  if (ends_installation(message.state)) {
    // Nothing odd beside it takes away what became of the installation.
    message.attempt = noted_integer(fields, "attempt", 1, kMostAttempts);
  } else {
    chunks(fields, message);
    if (const auto percent = fields.number("percent", 0, 100)) message.percent = static_cast<int>(*percent);
    if (const auto attempt = fields.integer("attempt", 1, kMostAttempts)) message.attempt = static_cast<int>(*attempt);
  }
  message.reason = fields.note("reason", kMaxReason).value_or("");
  message.transport = parse_transport(fields.note("transport", kMaxWord).value_or(""));
  message.link = link(fields);
}

void read(wire::JsonFields& fields, VerifyReport& message, std::optional<TaskId>& task) {
  task = task_id(fields);
  if (task) message.task = *task;
  if (const auto attempt = fields.integer("attempt", 1, kMostAttempts)) message.attempt = static_cast<int>(*attempt);
  fields.require("checksum");
  const auto checksum =
      checked_word(fields, "checksum", parse_checksum, "must be \"sha256:\" and 64 hexadecimal digits");
  if (checksum) message.checksum = *checksum;
  message.bad_chunks = fields.ranges("bad_chunks", 0, kMaxRanges);
  if (message.bad_chunks && message.bad_chunks->empty()) message.bad_chunks.reset();
}

void read(wire::JsonFields& fields, ChunkRequest& message, std::optional<TaskId>& task) {
  task = task_id(fields);
  if (task) message.task = *task;
  fields.require("chunks");
}

template <class Message>
Decoded<Message> decode(std::string_view payload) {
  auto fields = wire::JsonFields::parse(payload, Errc::bad_message, kLimits);
  if (!fields) return {fields.error(), {}, {}};
  Message message{};
  std::optional<TaskId> task;
  auto who = credentials(*fields);
  read(*fields, message, task);
  if (auto right = fields->check(Errc::bad_message); !right) return {std::move(right).error(), who, task};
  if constexpr (std::is_same_v<Message, ChunkRequest>) {
    message.chunks = fields->ranges("chunks", 1, kMaxRanges).value_or(ChunkRanges{});
    if (auto right = fields->check(Errc::bad_chunk_range); !right) return {std::move(right).error(), who, task};
  }
  return {std::move(message), who, task};
}

template <class Message>
Decoded<DeviceMessage> decode_as(std::string_view payload) {
  auto decoded = decode<Message>(payload);
  if (!decoded.message) return {decoded.message.error(), decoded.who, decoded.task};
  return {DeviceMessage(std::move(*decoded.message)), decoded.who, decoded.task};
}

/// A request says nothing that it must.
Decoded<DeviceMessage> decode_request(std::string_view payload) {
  const bool empty = payload.find_first_not_of('\0') == std::string_view::npos;
  return decode_as<DeviceRequest>(empty ? std::string_view("{}") : payload);
}

constexpr MessageType kTypes[] = {
    {"request", decode_request},
    {"progress", decode_as<ProgressReport>},
    {"verify", decode_as<VerifyReport>},
};

}  // namespace

std::span<const MessageType> message_types() { return kTypes; }

const MessageType* find_message_type(std::string_view name) {
  for (const auto& type : kTypes)
    if (type.name == name) return &type;
  return nullptr;
}

Decoded<ChunkRequest> decode_chunk_request(std::string_view payload) { return decode<ChunkRequest>(payload); }

}  // namespace ota::device
