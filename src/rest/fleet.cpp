// GET /fleet: how many devices run which version, now and over time (docs/rest.md, Fleet).
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ota/domain/ids.hpp"
#include "ota/domain/selection.hpp"
#include "rest/fleet_counts.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/or_null.hpp"
#include "rest/query.hpp"
#include "rest/selection.hpp"

namespace ota::rest {
namespace {

constexpr int kHour = 3600;
constexpr int kLongestFleetStep = 30 * 24 * 3600;
constexpr int kFleetPointsShown = 10'000;
constexpr std::size_t kVersionRows = 1'000;
constexpr auto kShownAtFirst = std::chrono::days{7};

struct FleetQuery {
  std::optional<std::string> channel;
  std::optional<std::string> hardware;
  WallTime since{};
  std::chrono::seconds step{kHour};
  std::int64_t living_since = 0;
  Presence presence;

  bool has(const std::string& its_channel, const std::string& its_hardware) const {
    return (!channel || *channel == its_channel) && (!hardware || *hardware == its_hardware);
  }
};

FleetQuery fleet_query_of(QueryFields& query, const Context& context) {
  FleetQuery wanted;
  wanted.channel = query.text("channel");
  wanted.hardware = query.text("hardware");
  if (wanted.hardware && !valid_hardware(*wanted.hardware)) query.errors().add("hardware", kHardwareRule);
  if (wanted.channel && !valid_channel(*wanted.channel))
    query.errors().add("channel", "must be 1 to 64 of a-z 0-9 _ -");
  wanted.since = context.clock.wall() - kShownAtFirst;
  if (const auto text = query.text("since")) {
    const auto since = parse_rfc3339(*text);
    if (!since) query.errors().add("since", "must be an RFC 3339 time such as 2026-11-22T08:30:00Z");
    wanted.since = since.value_or(wanted.since);
  }
  wanted.step = std::chrono::seconds{query.integer("step", kHour, kLongestFleetStep).value_or(kHour)};
  wanted.living_since = living_since_day(context);
  wanted.presence = presence_of(context);
  return wanted;
}

Json point_json(const storage::Fleet::Point& point) {
  return {{"at", to_rfc3339(point.at)},
          {"channel", point.channel},
          {"hardware", or_null(point.hardware)},
          {"version", or_null(point.version)},
          {"devices", point.devices}};
}

/// First what was before `since`, then each change.
Json points_json(storage::ReadView& view, const FleetQuery& wanted) {
  auto list = Json::array();
  for (const auto& point : view.fleet.last_points(kFleetPointsShown, wanted.since))
    if (point.devices > 0 && wanted.has(point.channel, point.hardware)) list.push_back(point_json(point));
  for (const auto& point :
       view.fleet.points(wanted.channel, wanted.hardware, wanted.since, wanted.step, kFleetPointsShown))
    list.push_back(point_json(point));
  return list;
}

Json fleet_json(storage::ReadView& view, const FleetQuery& wanted) {
  std::vector<storage::FleetCount> counts;
  std::int64_t devices = 0;
  std::int64_t living = 0;
  for (auto& count : view.fleet.counts(wanted.channel.value_or(""), wanted.living_since)) {
    if (!wanted.has(count.channel, count.hardware)) continue;
    devices += count.devices;
    living += count.living;
    counts.push_back(std::move(count));
  }
  auto versions = Json::array();
  for (const auto& count : largest(std::move(counts), kVersionRows)) {
    Json json = {{"channel", or_null(count.channel)}, {"hardware", or_null(count.hardware)}};
    json.update(version_json(count));
    versions.push_back(std::move(json));
  }
  return {{"devices", devices},
          {"living", living},
          {"present", view.devices.online(wanted.presence, wanted.channel, wanted.hardware)},
          {"versions", std::move(versions)},
          {"points", points_json(view, wanted)}};
}

}  // namespace

Answering get_fleet(Context& context, Call& call) {
  auto query = QueryFields::parse(call.request.query(), {"channel", "hardware", "since", "step"});
  if (!query) co_return query.error();
  auto wanted = fleet_query_of(*query, context);
  if (auto checked = query->check(); !checked) co_return checked.error();
  std::function<Result<std::string>(storage::ReadView&)> job = [wanted](auto& view) -> Result<std::string> {
    return to_text(fleet_json(view, wanted));
  };
  co_return co_await answer_read(context, std::move(job));
}

}  // namespace ota::rest
