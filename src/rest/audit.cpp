// GET /audit: the audit log (docs/rest.md, Audit, health, metrics).
#include <nlohmann/json.hpp>

#include "rest/handlers.hpp"
#include "rest/json.hpp"
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

  using Rows = std::vector<AuditEntry>;
  std::function<Result<Rows>(storage::ReadView&)> job = [since, actor, page](storage::ReadView& view) -> Result<Rows> {
    return view.audit.list(since, actor, page.after, page.limit + 1);
  };
  auto rows = co_await read<Rows>(context.readers, std::move(job));
  if (!rows) co_return rows.error();
  std::optional<std::string> next;
  if (rows->size() > static_cast<std::size_t>(page.limit)) {
    rows->resize(static_cast<std::size_t>(page.limit));
    next = cursor_of("audit", std::to_string(rows->back().id));
  }
  std::vector<Json> items;
  for (const auto& row : *rows) items.push_back(audit_json(row));
  co_return wire::json_reply(200, to_text(list_json(std::move(items), next)));
}

}  // namespace ota::rest
