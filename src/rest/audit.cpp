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

}  // namespace

Answering list_audit(Context& context, Call& call) {
  auto query = QueryFields::parse(call.request.query(), {"since", "actor", "limit", "cursor"});
  if (!query) co_return query.error();
  std::optional<WallTime> since;
  if (const auto text = query->text("since")) {
    since = parse_rfc3339(*text);
    if (!since) query->errors().add("since", "must be an RFC 3339 time such as 2026-11-22T08:30:00Z");
  }
  const auto actor = query->text("actor");
  const auto page = number_page_of(*query, "audit");
  if (auto checked = query->check(); !checked) co_return checked.error();

  std::function<Result<ListPage>(storage::ReadView&)> job = [since, actor,
                                                             page](storage::ReadView& view) -> Result<ListPage> {
    return list_page(
        view.audit.list(since, actor, page.after, page.limit + 1), page.limit, "audit",
        [](const AuditEntry& row) { return std::to_string(row.id); }, audit_json);
  };
  co_return co_await read_list(context, call, kAuditColumns, std::move(job));
}

}  // namespace ota::rest
