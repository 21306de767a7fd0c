// GET /rollouts/{id}/devices, /history and /report (docs/rest.md, Rollouts).
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ota/base/text.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/list_page.hpp"
#include "rest/or_null.hpp"
#include "rest/query.hpp"
#include "rest/rollout_json.hpp"
#include "rest/rollout_view.hpp"

namespace ota::rest {
namespace {

constexpr int kLongestStep = 30 * 24 * 3600;
constexpr CsvColumn kMemberColumns[] = {{"device_id", "/device_id"}, {"bucket", "/bucket"},
                                        {"since", "/since"},         {"task_id", "/task_id"},
                                        {"state", "/state"},         {"from_version", "/from_version"},
                                        {"reason", "/reason"},       {"detail", "/detail"}};
constexpr CsvColumn kReportColumns[] = {
    {"device_id", "/device_id"}, {"from", "/from"},         {"to", "/to"},       {"bucket", "/bucket"},
    {"reason", "/reason"},       {"detail", "/detail"},     {"task_id", "/task_id"}, {"attempts", "/attempts"},
    {"bytes", "/bytes"},         {"seconds", "/seconds"},   {"started_at", "/started_at"}, {"ended_at", "/ended_at"}};
constexpr CsvColumn kHistoryColumns[] = {
    {"at", "/at"},           {"assigned", "/buckets/assigned"}, {"absent", "/buckets/absent"},
    {"staged", "/buckets/staged"},   {"soaking", "/buckets/soaking"}, {"overdue", "/buckets/overdue"},
    {"healthy", "/buckets/healthy"}, {"failed", "/buckets/failed"},   {"undelivered", "/buckets/undelivered"},
    {"dropped", "/buckets/dropped"}};

Json member_json(const Task& task) {
  return {{"device_id", task.device},
          {"bucket", to_string(bucket_of(task))},
          {"since", to_rfc3339(task.bucket_since)},
          {"task_id", task.id.str()},
          {"state", to_string(task.state)},
          {"from_version", or_null(task.from_version)},
          {"reason", or_null(task.reason)},
          {"detail", or_null(task.detail)},
          {"postponed_until", or_null(task.postponed_until)}};
}

Json report_json(const Task& task) {
  const auto started = task.offered;
  Json seconds;
  if (started && task.ended) seconds = std::chrono::duration_cast<std::chrono::seconds>(*task.ended - *started).count();
  return {{"device_id", task.device},
          {"from", or_null(task.from_version)},
          {"to", task.version},
          {"bucket", to_string(bucket_of(task))},
          {"reason", or_null(task.reason)},
          {"detail", or_null(task.detail)},
          {"task_id", task.id.str()},
          {"attempts", task.attempt},
          {"bytes", task.bytes_sent},
          {"seconds", std::move(seconds)},
          {"started_at", or_null(started)},
          {"ended_at", or_null(task.ended)}};
}

Json point_json(const storage::Rollouts::Point& point) {
  return {{"at", to_rfc3339(point.at)}, {"buckets", counts_json(point.counts)}};
}

/// A place in the list of a bucket: `<since> <task>`.
std::string place_of(const Task& task) {
  return fmt::format("{} {}", task.bucket_since.time_since_epoch().count(), task.id.number);
}
std::optional<storage::Rollouts::MembersFrom> parse_place(std::string_view text) {
  const auto blank = text.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const auto since = parse_number(text.substr(0, blank));
  const auto task = parse_number(text.substr(blank + 1));
  if (!since || !task) return std::nullopt;
  return storage::Rollouts::MembersFrom{WallTime{Millis{*since}}, *task};
}

/// The page without devices outside the scope.
ListPage within(storage::ReadView& view, const Scope& scope, ListPage page) {
  if (!scope.limited()) return page;
  std::erase_if(page.items, [&](const Json& item) { return !scope.has(view, item["device_id"].get<std::string>()); });
  return page;
}

std::optional<Bucket> read_bucket(QueryFields& query) {
  const auto text = query.text("bucket");
  if (!text) {
    query.errors().add("bucket", "is missing: GET /rollouts/{id}/report has the devices of all");
    return std::nullopt;
  }
  const auto bucket = parse_bucket(*text);
  if (!bucket) query.errors().add("bucket", wire::unknown_word(*text, bucket_names()));
  return bucket;
}

}  // namespace

Answering list_rollout_devices(Context& context, Call& call) {
  auto query = QueryFields::parse(call.request.query(), {"bucket", "reason", "limit", "cursor"});
  if (!query) co_return query.error();
  const auto bucket = read_bucket(*query);
  const auto reason = query->text("reason").value_or("");
  const auto page = page_of(*query, "members");
  const auto after = page.after.empty() ? storage::Rollouts::MembersFrom{} : parse_place(page.after);
  if (!after) query->errors().add("cursor", kWrongCursor);
  if (auto checked = query->check(); !checked) co_return checked.error();
  const auto id = rollout_id_of(call);
  if (!id) co_return id.error();
  std::function<Result<ListPage>(storage::ReadView&)> job = [id = *id, bucket = *bucket, reason, page,
                                                             after = *after,
                                                             scope = call.scope](auto& view) -> Result<ListPage> {
    if (auto found = find_rollout(view, id); !found) return found.error();
    return within(view, scope,
                  list_page(view.rollouts.members(id.number, bucket, reason, after, page.limit + 1), page.limit,
                            "members", place_of, member_json));
  };
  co_return co_await read_list(context, call, kMemberColumns, std::move(job));
}

Answering list_rollout_history(Context& context, Call& call) {
  auto query = QueryFields::parse(call.request.query(), {"step", "limit", "cursor"});
  if (!query) co_return query.error();
  const auto step = query->integer("step", 60, kLongestStep).value_or(60);
  const auto page = number_page_of(*query, "history");
  if (auto checked = query->check(); !checked) co_return checked.error();
  const auto id = rollout_id_of(call);
  if (!id) co_return id.error();
  std::function<Result<ListPage>(storage::ReadView&)> job = [id = *id, step, page](auto& view) -> Result<ListPage> {
    if (auto found = find_rollout(view, id); !found) return found.error();
    return list_page(
        view.rollouts.points(id.number, WallTime{Millis{page.after}}, std::chrono::seconds{step}, page.limit + 1),
        page.limit, "history", [](const auto& row) { return std::to_string(row.at.time_since_epoch().count()); },
        point_json);
  };
  co_return co_await read_list(context, call, kHistoryColumns, std::move(job));
}

Answering list_rollout_report(Context& context, Call& call) {
  auto query = QueryFields::parse(call.request.query(), {"limit", "cursor"});
  if (!query) co_return query.error();
  const auto page = number_page_of(*query, "report");
  if (auto checked = query->check(); !checked) co_return checked.error();
  const auto id = rollout_id_of(call);
  if (!id) co_return id.error();
  std::function<Result<ListPage>(storage::ReadView&)> job = [id = *id, page,
                                                             scope = call.scope](auto& view) -> Result<ListPage> {
    if (auto found = find_rollout(view, id); !found) return found.error();
    return within(view, scope,
                  list_page(
                      view.rollouts.report(id.number, page.after, page.limit + 1), page.limit, "report",
                      [](const Task& row) { return std::to_string(row.id.number); }, report_json));
  };
  co_return co_await read_list(context, call, kReportColumns, std::move(job));
}

}  // namespace ota::rest
