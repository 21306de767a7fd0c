#include "otactl/audit.hpp"

#include "otactl/format.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

constexpr Column kAuditColumns[] = {
    {"AT", "/at", as_time},   {"ACTOR", "/actor"},     {"FROM", "/from", as_text, false, true},
    {"ACTION", "/action"},    {"TARGET", "/target"},   {"OUTCOME", "/outcome"},
    {"ID", "/id", as_text, true, true},
};

int show_audit(Call& call) {
  Query query;
  if (const auto since = call.text("since")) {
    const auto span = parse_duration(*since);
    query.emplace_back("since", span ? to_rfc3339(call.now() - *span) : *since);
  }
  if (const auto actor = call.text("actor")) query.emplace_back("actor", *actor);
  return list(call, "/audit", std::move(query), kAuditColumns);
}

}  // namespace

Verb audit_verb() {
  return {"audit",
          "Show who did what",
          {option("since", "TIME", "Only since then: 2h, 1d, or RFC 3339"),
           option("actor", "NAME", "Only of this key's owner"), kLimit, kCursor},
          show_audit};
}

}  // namespace ota::otactl
