// Reads messages of the server and what the agent stored.
#include "agent/messages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "ota/base/url.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/version.hpp"

namespace ota::agent {
namespace {

using Json = nlohmann::json;

// Thrown inside this file only; parse_message() turns it into an Error.
struct Malformed {
  std::string text;
};

std::string text(const Json& object, const char* field, bool required = false) {
  auto it = object.find(field);
  if (it == object.end() || it->is_null()) {
    if (required) throw Malformed{fmt::format("{} is missing", field)};
    return {};
  }
  if (!it->is_string()) throw Malformed{fmt::format("{} is no string", field)};
  return it->get<std::string>();
}

std::uint64_t number(const Json& object, const char* field, std::uint64_t min, std::uint64_t max,
                     std::optional<std::uint64_t> otherwise = std::nullopt) {
  auto it = object.find(field);
  if (it == object.end() || it->is_null()) {
    if (otherwise) return *otherwise;
    throw Malformed{fmt::format("{} is missing", field)};
  }
  if (!it->is_number_unsigned() || it->get<std::uint64_t>() < min || it->get<std::uint64_t>() > max) {
    throw Malformed{fmt::format("{} is not a whole number from {} to {}", field, min, max)};
  }
  return it->get<std::uint64_t>();
}

int small(const Json& object, const char* field, int otherwise) {
  return static_cast<int>(number(object, field, 0, 1'000'000, static_cast<std::uint64_t>(otherwise)));
}

std::vector<Digest> digests(const Json& list, std::uint32_t count) {
  if (!list.is_array() || list.size() != count) throw Malformed{fmt::format("chunks are not {} digests", count)};
  std::vector<Digest> result;
  result.reserve(count);
  for (const auto& item : list) {
    auto digest = item.is_string() ? digest_from_hex(item.get<std::string>()) : std::nullopt;
    if (!digest) throw Malformed{"chunks contain something that is not a digest"};
    result.push_back(*digest);
  }
  return result;
}

ChunkRanges ranges(const Json& list, const ChunkGrid& grid) {
  ChunkRanges result;
  if (!list.is_array()) throw Malformed{"missing is not a list of ranges"};
  for (const auto& item : list) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_number_unsigned() || !item[1].is_number_unsigned() ||
        item[0].get<std::uint64_t>() > item[1].get<std::uint64_t>() || item[1].get<std::uint64_t>() >= grid.count()) {
      throw Malformed{"missing contains a range outside the chunk layout"};
    }
    result.push_back({item[0].get<std::uint32_t>(), item[1].get<std::uint32_t>()});
  }
  return result;
}

std::optional<FirmwareSignature> signature(const Json& object) {
  auto it = object.find("signature");
  if (it == object.end() || !it->is_object()) return std::nullopt;
  if (text(*it, "algorithm") != "ed25519") return std::nullopt;
  return FirmwareSignature{text(*it, "key_id"), text(*it, "value")};
}

std::optional<DowngradePermission> downgrade(const Json& object) {
  auto it = object.find("downgrade");
  if (it == object.end() || !it->is_object()) return std::nullopt;
  if (text(*it, "algorithm") != "ed25519") return std::nullopt;
  return DowngradePermission{text(*it, "device"), text(*it, "expires"), {text(*it, "key_id"), text(*it, "value")}};
}

std::vector<Transport> transports(const Json& object) {
  std::vector<Transport> order;
  const auto it = object.find("transports");
  if (it == object.end() || !it->is_array()) return {Transport::http};
  for (const auto& item : *it) {
    const auto one = item.is_string() ? parse_transport(item.get<std::string>()) : std::nullopt;
    if (one && std::find(order.begin(), order.end(), *one) == order.end()) order.push_back(*one);
  }
  return order.empty() ? std::vector{Transport::http} : order;
}

// The common fields of metadata, retry and the file of a stored task.
Assignment basic_task(const Json& object, const char* id_field) {
  Assignment task;
  task.id = text(object, id_field, true);
  task.version = text(object, "version", true);
  if (!valid_version(task.version)) throw Malformed{"version is not valid"};
  task.hardware = text(object, "hardware");
  if (!valid_hardware(task.hardware)) throw Malformed{"hardware is not valid"};
  task.priority = text(object, "priority");
  task.attempt = small(object, "attempt", 1);
  task.max_attempts = small(object, "max_attempts", 1);
  auto checksum = parse_checksum(text(object, "checksum", true));
  if (!checksum) throw Malformed{"checksum is not sha256: and 64 hex digits"};
  task.checksum = *checksum;
  task.grid.size = number(object, "size", 1, std::uint64_t{kMaxChunks} * kMaxChunkBytes);
  task.grid.chunk_bytes = static_cast<std::uint32_t>(number(object, "chunk_bytes", 1, kMaxChunkBytes));
  if (task.grid.size > std::uint64_t{kMaxChunks} * task.grid.chunk_bytes)
    throw Malformed{"chunk_bytes makes too many chunks"};
  task.signature = signature(object);
  task.downgrade = downgrade(object);
  return task;
}

// A URL that the server leaves out if the device limits its messages (docs/device-protocol.md, request,
// `max_message_bytes`): derived from `chunk_url` by replacing the part that names a chunk.
std::string implied_url(const std::string& chunk_url, std::string_view other) {
  constexpr std::string_view kChunk = "/chunks/{index}";
  auto url = chunk_url;
  const auto at = url.find(kChunk);
  if (at == std::string::npos) return {};
  return url.replace(at, kChunk.size(), other);
}

Assignment parse_task(const Json& object) {
  Assignment task = basic_task(object, "task_id");
  if (number(object, "chunk_count", 1, kMaxChunks, task.grid.count()) != task.grid.count()) {
    throw Malformed{"chunk_count does not match size and chunk_bytes"};
  }
  if (object.contains("missing") && !object["missing"].is_null()) {
    task.missing = ranges(object["missing"], task.grid);
  } else {
    task.missing = {{0, task.grid.count() - 1}};
  }
  task.transports = transports(object);
  task.chunk_url = text(object, "chunk_url", true);
  task.manifest_url = text(object, "manifest_url");
  if (task.manifest_url.empty()) task.manifest_url = implied_url(task.chunk_url, "/manifest");
  task.image_url = text(object, "url");
  if (task.image_url.empty()) task.image_url = implied_url(task.chunk_url, "/image");
  if (object.contains("chunks") && !object["chunks"].is_null())
    task.chunks = digests(object["chunks"], task.grid.count());
  return task;
}

ServerMessage parse(const Json& object) {
  auto type = text(object, "type", true);
  if (type == "metadata") return Metadata{parse_task(object)};
  if (type == "retry") return Retry{parse_task(object), text(object, "reason"), small(object, "retry_after_s", 0)};
  if (type == "success") {
    return Success{text(object, "task_id", true), text(object, "version"),
                   object.contains("confirm_by") && !object["confirm_by"].is_null()};
  }
  if (type == "failed")
    return Failed{text(object, "task_id", true), text(object, "reason"), small(object, "attempts", 0)};
  if (type == "queued") {
    return Queued{text(object, "task_id"), small(object, "position", 0), small(object, "retry_after_s", 30)};
  }
  if (type == "up_to_date") return UpToDate{text(object, "version")};
  if (type == "hold") {
    return Hold{text(object, "task_id", true), text(object, "reason"), text(object, "until"),
                small(object, "retry_after_s", 60)};
  }
  if (type == "cancel") return Cancel{text(object, "task_id", true), text(object, "reason", true)};
  if (type == "error") {
    return Refusal{text(object, "code", true), text(object, "message"), text(object, "task_id"),
                   small(object, "retry_after_s", 0)};
  }
  throw Malformed{"type is unknown"};
}

}  // namespace

Result<ServerMessage> parse_message(std::string_view payload) {
  auto object = Json::parse(payload, nullptr, false);
  if (!object.is_object()) return fail(Errc::malformed, "the server's message is no JSON object");
  try {
    return parse(object);
  } catch (const Malformed& wrong) {
    return fail(Errc::malformed, "the server's message is wrong: " + wrong.text);
  }
}

std::string type_of(std::string_view payload) { return text_field(payload, "type"); }

Result<std::vector<Digest>> parse_manifest(std::string_view json, const Assignment& task) {
  auto object = Json::parse(json, nullptr, false);
  if (!object.is_object() || !object.contains("chunks"))
    return fail(Errc::malformed, "the manifest is no JSON object with chunks");
  try {
    return digests(object["chunks"], task.grid.count());
  } catch (const Malformed& wrong) {
    return fail(Errc::malformed, "the manifest is wrong: " + wrong.text);
  }
}

std::string origin_of(const std::string& url) {
  const auto parts = parse_url(url);
  return parts && (parts->scheme == "http" || parts->scheme == "https") ? std::string(parts->origin) : std::string();
}

std::optional<KeptTask> task_from_json(std::string_view json) {
  auto object = Json::parse(json, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  try {
    auto confirm = object.find("confirm");
    return KeptTask{basic_task(object, "task_id"), text(object, "gateway"), text(object, "phase", true),
                    confirm != object.end() && confirm->is_boolean() && confirm->get<bool>(),
                    InstallRecord{small(object, "tries", 0), text(object, "stopped_in"), text(object, "from_version"),
                                  text(object, "output"), text(object, "outcome"), text(object, "reason")}};
  } catch (const Malformed&) {
    return std::nullopt;
  }
}

std::string text_field(std::string_view json, std::string_view field) {
  auto object = Json::parse(json, nullptr, false);
  if (!object.is_object()) return {};
  auto it = object.find(field);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

}  // namespace ota::agent
