// Writes messages to the server and what the agent stores.
#include <nlohmann/json.hpp>

#include "agent/messages.hpp"

namespace ota::agent {
namespace {

using Json = nlohmann::json;

Json to_json(const ChunkRanges& list) {
  Json result = Json::array();
  for (const auto& range : list) result.push_back({range.first, range.last});
  return result;
}

std::string dump(const Json& object) { return object.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json with_token(const Identity& who) {
  Json object = Json::object();
  if (!who.token.empty()) object["token"] = who.token;
  return object;
}

}  // namespace

std::string request_json(const Identity& who) {
  Json object = with_token(who);
  if (!who.want_version.empty()) object["version"] = who.want_version;
  if (!who.current_version.empty()) object["current_version"] = who.current_version;
  if (!who.hardware.empty()) object["hardware"] = who.hardware;
  object["transports"] = {"http", "mqtt"};
  if (who.max_chunk_bytes) object["max_chunk_bytes"] = *who.max_chunk_bytes;
  if (who.max_message_bytes) object["max_message_bytes"] = *who.max_message_bytes;
  if (!who.timezone.empty()) object["timezone"] = who.timezone;
  if (!who.channel.empty()) object["channel"] = who.channel;
  return dump(object);
}

std::string chunk_request_json(const std::string& token, const std::string& task_id, const ChunkRanges& chunks) {
  Json object{{"task_id", task_id}, {"chunks", to_json(chunks)}};
  if (!token.empty()) object["token"] = token;
  return dump(object);
}

std::string verify_json(const Identity& who, const Assignment& task, const Digest& checksum,
                        const ChunkRanges& bad_chunks) {
  Json object = with_token(who);
  object["task_id"] = task.id;
  object["attempt"] = task.attempt;
  object["checksum"] = to_checksum(checksum);
  if (!bad_chunks.empty()) object["bad_chunks"] = to_json(bad_chunks);
  return dump(object);
}

std::string progress_json(const Identity& who, const Assignment& task, const ChunkRanges& chunks, bool ok,
                          Transport transport, double rtt_ms) {
  Json object = with_token(who);
  object["task_id"] = task.id;
  object["chunks"] = to_json(chunks);
  object["status"] = ok ? "ok" : "mismatch";
  object["transport"] = to_string(transport);
  if (rtt_ms > 0) object["rtt_ms"] = static_cast<double>(static_cast<std::int64_t>(rtt_ms * 10)) / 10.0;
  return dump(object);
}

std::string state_json(const Identity& who, std::string_view task_id, std::string_view state,
                       const std::string& reason) {
  Json object = with_token(who);
  object["task_id"] = task_id;
  object["state"] = state;
  if (!reason.empty()) object["reason"] = reason;
  return dump(object);
}

std::string postponed_json(const Identity& who, std::string_view task_id, WallTime until) {
  Json object = with_token(who);
  object["task_id"] = task_id;
  object["state"] = to_string(DeviceState::postponed);
  object["until"] = to_rfc3339(until);
  return dump(object);
}

std::string task_to_json(const Assignment& task, std::string_view phase, bool confirm, const InstallRecord& install) {
  Json object{{"task_id", task.id},
              {"version", task.version},
              {"hardware", task.hardware},
              {"priority", task.priority},
              {"attempt", task.attempt},
              {"max_attempts", task.max_attempts},
              {"checksum", to_checksum(task.checksum)},
              {"size", task.grid.size},
              {"chunk_bytes", task.grid.chunk_bytes},
              {"gateway", origin_of(task.chunk_url)},
              {"phase", phase},
              {"confirm", confirm},
              {"tries", install.tries},
              {"stopped_in", install.stopped_in},
              {"from_version", install.from_version},
              {"output", install.output},
              {"outcome", install.outcome},
              {"reason", install.reason}};
  if (task.signature) {
    object["signature"] = {
        {"algorithm", "ed25519"}, {"key_id", task.signature->key_id}, {"value", task.signature->value}};
  }
  if (task.downgrade) {
    object["downgrade"] = {{"algorithm", "ed25519"},
                           {"key_id", task.downgrade->signature.key_id},
                           {"device", task.downgrade->device},
                           {"expires", task.downgrade->expires},
                           {"value", task.downgrade->signature.value}};
  }
  return dump(object);
}

}  // namespace ota::agent
