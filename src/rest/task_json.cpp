#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "rest/json.hpp"
#include "rest/or_null.hpp"

namespace ota::rest {
namespace {

bool verified(TaskState state) {
  return state == TaskState::staged || state == TaskState::installing || state == TaskState::succeeded;
}

/// Bytes of the chunks that the device has, plus the parts of chunks that were sent to range requests.
int percent_of(const Task& task, std::uint32_t chunks, std::uint64_t partial, int said) {
  if (verified(task.state)) return 100;
  const auto all = std::uint64_t{task.grid().count()} * task.chunk_bytes;
  const auto had = std::uint64_t{chunks} * task.chunk_bytes + partial;
  const int by_chunks = all == 0 ? 0 : static_cast<int>(had * 100 / all);
  return std::clamp(std::max(by_chunks, said), 0, 100);
}

Json progress_json(const Task& task, const std::optional<engine::TransferView>& live) {
  const auto chunks = live ? live->chunks_have : task.chunks_have;
  const auto partial = live ? live->bytes_partial : 0;
  const auto had = std::min(task.size, std::uint64_t{chunks} * task.chunk_bytes + partial);
  return {
      {"chunks", chunks},
      {"chunk_count", task.grid().count()},
      {"bytes", verified(task.state) ? task.size : had},
      {"size", task.size},
      {"percent", percent_of(task, chunks, partial, live ? live->percent : task.percent)},
      {"rate", live ? std::llround(live->rate) : 0},
      {"bytes_sent", live ? live->bytes_sent : task.bytes_sent},
      {"transport", live ? or_null(live->transport) : Json(nullptr)},
  };
}

Json ranges_json(const ChunkRanges& ranges) {
  auto list = Json::array();
  for (const auto& range : ranges) list.push_back({range.first, range.last});
  return list;
}

Json timeline_json(const std::vector<LogEntry>& entries) {
  auto list = Json::array();
  for (const auto& entry : entries) {
    list.push_back({
        {"at", to_rfc3339(entry.at)},
        {"state", or_null(entry.to)},
        {"from", or_null(entry.from)},
        {"event", or_null(entry.event)},
        {"by", entry.by},
        {"reason", or_null(entry.reason)},
        {"detail", or_null(entry.detail)},
        {"attempt", entry.attempt},
    });
  }
  return list;
}

}  // namespace

Json task_json(const Task& task, const std::optional<TaskId>& retry_of,
               const std::optional<engine::TransferView>& live) {
  return {
      {"task_id", task.id.str()},
      {"state", to_string(task.state)},
      {"device_id", task.device},
      {"firmware_version", task.version},
      {"firmware_id", task.firmware_id},
      {"hardware", or_null(task.hardware)},
      {"from_version", or_null(task.from_version)},
      {"checksum", to_checksum(task.checksum)},
      {"chunk_bytes", task.chunk_bytes},
      {"priority", to_string(task.priority)},
      {"attempt", task.attempt},
      {"max_attempts", task.max_attempts},
      {"confirm", task.confirm == Confirm::automatic ? Json(nullptr) : Json(task.confirm == Confirm::always)},
      {"confirmed", task.confirmed},
      {"force", task.force},
      {"reason", or_null(task.reason)},
      {"detail", or_null(task.detail)},
      {"progress", progress_json(task, live)},
      {"created_at", to_rfc3339(task.created)},
      {"updated_at", to_rfc3339(task.updated)},
      {"offered_at", or_null(task.offered)},
      {"ended_at", or_null(task.ended)},
      {"not_before", or_null(task.not_before)},
      {"expires_at", or_null(task.expires_at)},
      {"confirm_by", or_null(task.confirm_by)},
      {"created_by", or_null(task.created_by)},
      {"retry_of", retry_of ? Json(retry_of->str()) : Json(nullptr)},
  };
}

Json task_json(const Task& task, const TaskFacts& facts, const std::optional<engine::TransferView>& live) {
  auto json = task_json(task, facts.retry_of, live);
  json["explanation"] = facts.explanation;
  json["link"] = facts.device ? link_json(*facts.device) : Json(nullptr);
  json["timeline"] = timeline_json(facts.timeline);
  return json;
}

Json upgrade_json(const Task& task, TaskState status) {
  return {
      {"task_id", task.id.str()},
      {"status", to_string(status)},
      {"device_id", task.device},
      {"firmware_version", task.version},
      {"priority", to_string(task.priority)},
      {"created_at", to_rfc3339(task.created)},
  };
}

Json log_json(const LogEntry& entry) {
  const auto rate = entry.ms > 0 ? static_cast<double>(entry.bytes) * 1000.0 / static_cast<double>(entry.ms) : 0.0;
  return {
      {"id", entry.id},
      {"at", to_rfc3339(entry.at)},
      {"kind", entry.kind},
      {"by", entry.by},
      {"from", or_null(entry.from)},
      {"to", or_null(entry.to)},
      {"event", or_null(entry.event)},
      {"reason", or_null(entry.reason)},
      {"detail", or_null(entry.detail)},
      {"attempt", entry.attempt},
      {"chunks", ranges_json(entry.chunks)},
      {"bytes", entry.bytes},
      {"ms", entry.ms},
      {"rate", std::llround(rate)},
      {"transport", or_null(entry.transport)},
  };
}

}  // namespace ota::rest
