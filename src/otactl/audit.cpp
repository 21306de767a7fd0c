#include "otactl/audit.hpp"

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
  for (const auto* name : {"since", "until"})
    if (const auto time = call.past(name)) query.emplace_back(name, *time);
  for (const auto* name : {"actor", "action", "target", "outcome"})
    if (const auto value = call.text(name)) query.emplace_back(name, *value);
  return list(call, "/audit", std::move(query), kAuditColumns);
}

}  // namespace

Verb audit_verb() {
  return {"audit",
          "Show who did what",
          {option("since", "TIME", "Only since then: 2h or 1d ago, or RFC 3339"),
           option("until", "TIME", "Only before then"),
           option("actor", "NAME", "Only of this API key", Completes::key),
           option("action", "ACTION", "Only this action, such as rollout.pause, or the method of a refused call"),
           option("target", "TARGET", "Only about this device, task, rollout or path"),
           option("outcome", "OUTCOME", "Only done, or this code of a refusal"), kLimit, kCursor},
          show_audit};
}

}  // namespace ota::otactl
