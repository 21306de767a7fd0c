// What servers say to the agent.
#include <string>
#include <variant>

#include "agent/messages.hpp"
#include "fuzz/target.hpp"
#include "ota/domain/version.hpp"

namespace ota::fuzz {
namespace {

using agent::Assignment;

void check_task(const Assignment& task, std::string_view manifest) {
  require(!task.version.empty() && task.version.find('/') == std::string::npos, "a version fits a file's name");
  require(task.grid.size > 0 && task.grid.chunk_bytes > 0 && task.grid.count() <= kMaxChunks, "chunks have bounds");
  for (const auto& range : task.missing)
    require(range.first <= range.last && range.last < task.grid.count(), "what is missing is of the image");
  require(task.chunks.empty() || task.chunks.size() == task.grid.count(), "each chunk has its digest");
  require(!task.transports.empty(), "there is a transport");
  const auto origin = agent::origin_of(task.chunk_url);
  require(task.chunk_url.starts_with(origin), "an origin is the beginning of its address");
  require(origin.find_first_of("@\\ ") == std::string::npos, "an origin names no user");
  if (const auto digests = agent::parse_manifest(manifest, task))
    require(digests->size() == task.grid.count(), "a manifest has each chunk's digest");
  const auto kept = agent::task_from_json(agent::task_to_json(task, "downloading", false, {}));
  require(kept && kept->task.id == task.id && kept->task.checksum == task.checksum &&
              kept->task.grid.size == task.grid.size && kept->gateway == origin,
          "a task that is kept can be read again");
}

}  // namespace

void server_message(std::string_view bytes) {
  const auto payload = bytes.substr(0, bytes.find('\0'));
  const auto message = agent::parse_message(payload);
  const auto type = agent::type_of(payload);
  if (!message) {
    require(!message.error().message.empty(), "a fault is named");
    return;
  }
  require(!type.empty(), "a message has a type");
  const auto manifest = payload.size() < bytes.size() ? bytes.substr(payload.size() + 1) : bytes;
  if (const auto* metadata = std::get_if<agent::Metadata>(&*message)) check_task(metadata->task, manifest);
  if (const auto* retry = std::get_if<agent::Retry>(&*message)) {
    check_task(retry->task, manifest);
    require(retry->retry_after_s >= 0, "no wait is negative");
  }
  if (const auto* hold = std::get_if<agent::Hold>(&*message))
    require(hold->retry_after_s >= 0 && !hold->task_id.empty(), "a hold is about a task");
  if (const auto* refusal = std::get_if<agent::Refusal>(&*message))
    require(refusal->retry_after_s >= 0, "no wait is negative");
}

}  // namespace ota::fuzz
