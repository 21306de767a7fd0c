// GET /summary (docs/rest.md, Summary).
#include <nlohmann/json.hpp>

#include "rest/fleet_counts.hpp"
#include "rest/handlers.hpp"
#include "rest/health.hpp"
#include "rest/json.hpp"
#include "rest/or_null.hpp"
#include "rest/rollout_json.hpp"
#include "rest/selection.hpp"

namespace ota::rest {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kVersionsShown = 200;
constexpr std::size_t kReasonsShown = 50;

struct Counts {
  storage::DeviceCounts devices;
  std::array<std::int64_t, kTaskStates> tasks{};
  std::vector<storage::ReasonCount> failures;
  Json rollouts;
  std::optional<WallTime> last_backup;
};

Json devices_json(const storage::DeviceCounts& counts) {
  return {{"total", counts.total}, {"online", counts.online}, {"living", counts.living}};
}

Json versions_json(const storage::DeviceCounts& counts) {
  auto list = Json::array();
  for (const auto& one : counts.versions) {
    if (list.size() == kVersionsShown) break;
    list.push_back({{"channel", one.channel},
                    {"hardware", or_null(one.hardware)},
                    {"version", or_null(one.version)},
                    {"devices", one.devices},
                    {"living", one.living}});
  }
  return list;
}

Json tasks_json(const std::array<std::int64_t, kTaskStates>& counts) {
  Json json;
  for (std::size_t i = 0; i < counts.size(); ++i) json[std::string(to_string(static_cast<TaskState>(i)))] = counts[i];
  return json;
}

Json failures_json(const std::vector<storage::ReasonCount>& counts) {
  auto list = Json::array();
  for (const auto& one : counts)
    if (list.size() < kReasonsShown) list.push_back({{"reason", one.reason}, {"count", one.count}});
  return list;
}

}  // namespace

Answering get_summary(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto now = context.clock.wall();
  std::function<Result<Counts>(storage::ReadView&)> job =
      [now, presence = presence_of(context), living = living_since(context),
       moment = moment_of(context)](auto& view) -> Result<Counts> {
    return Counts{view.devices.counts(presence, living), view.tasks.by_state(), view.tasks.failures(now - 24h),
                  open_rollouts_json(view, moment), last_backup(view)};
  };
  const auto counts = co_await read<Counts>(context.readers, std::move(job));
  if (!counts) co_return counts.error();
  auto checking = health_json(context);
  auto health = co_await std::move(checking);
  const Json json = {{"at", to_rfc3339(now)},
                     {"devices", devices_json(counts->devices)},
                     {"versions", versions_json(counts->devices)},
                     {"tasks", tasks_json(counts->tasks)},
                     {"failures", failures_json(counts->failures)},
                     {"rollouts", counts->rollouts},
                     {"public_url", or_null(context.options.public_url)},
                     {"last_backup_at", or_null(counts->last_backup)},
                     {"health", std::move(health)}};
  co_return wire::json_reply(200, to_text(json));
}

}  // namespace ota::rest
