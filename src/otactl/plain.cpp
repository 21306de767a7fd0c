// The verbs without a noun.
#include "otactl/nouns.hpp"
#include "otactl/audit.hpp"
#include "otactl/call.hpp"
#include "otactl/completion.hpp"
#include "otactl/doctor.hpp"
#include "otactl/events.hpp"
#include "otactl/manual.hpp"
#include "otactl/output.hpp"
#include "otactl/status.hpp"
#include "otactl/upgrade.hpp"

namespace ota::otactl {
namespace {

int print_manual(Call&) {
  write_out(man_page());
  return kDone;
}

}  // namespace

Noun plain_verbs() {
  return {"",
          "",
          {
              status_verb(),
              upgrade_verb(),
              events_verb(),
              audit_verb(),
              doctor_verb(),
              completion_verb(),
              {"manual", "", {}, print_manual},
          }};
}

}  // namespace ota::otactl
