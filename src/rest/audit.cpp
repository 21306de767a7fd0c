// GET /audit: the audit log (docs/rest.md, Audit, health, metrics).
#include <nlohmann/json.hpp>

#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/list_page.hpp"
#include "rest/query.hpp"

namespace ota::rest {
namespace {

Json audit_json(const AuditEntry& entry) {
  return {{"id", entry.id},
          {"at", to_rfc3339(entry.at)},
          {"actor", entry.caller.name},
          {"from", entry.caller.remote},
          {"action", entry.action},
          {"target", entry.target},
          {"outcome", entry.outcome}};
}

constexpr CsvColumn kAuditColumns[] = {{"id", "/id"},         {"at", "/at"},         {"actor", "/actor"},
                                  {"from", "/from"},     {"action", "/action"}, {"target", "/target"},
                                  {"outcome", "/outcome"}};

std::optional<WallTime> time_in(QueryFields& query, std::string_view name) {
  const auto text = query.text(name);
  if (!text) return std::nullopt;
  const auto time = parse_rfc3339(*text);
  if (!time) query.errors().add(name, "must be an RFC 3339 time such as 2026-11-22T08:30:00Z");
  return time;
}

}  // namespace

Answering list_audit(Context& context, Call& call) {
  auto query = QueryFields::parse(call.request.query(),
                                  {"since", "until", "actor", "action", "target", "outcome", "limit", "cursor"});
  if (!query) co_return query.error();
  storage::AuditFilter filter;
  filter.since = time_in(*query, "since");
  filter.until = time_in(*query, "until");
  filter.actor = query->text("actor");
  filter.action = query->text("action");
  filter.target = query->text("target");
  filter.outcome = query->text("outcome");
  const auto page = number_page_of(*query, "audit");
  if (auto checked = query->check(); !checked) co_return checked.error();

  std::function<Result<ListPage>(storage::ReadView&)> job = [filter = std::move(filter),
                                                             page](storage::ReadView& view) -> Result<ListPage> {
    return list_page(
        view.audit.list(filter, page.after, page.limit + 1), page.limit, "audit",
        [](const AuditEntry& row) { return std::to_string(row.id); }, audit_json);
  };
  co_return co_await read_list(context, call, kAuditColumns, std::move(job));
}

}  // namespace ota::rest
