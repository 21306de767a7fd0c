#include "engine/housekeeping.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/task_service.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

constexpr auto kKeepAnswers = std::chrono::hours{24};
constexpr int kPruneAtOnce = 1'000;
// After so long a pause the clock may be wrong, and an operator gets the time to see that.
constexpr Millis kLongPause = std::chrono::days{7};
constexpr Millis kHeldFor = std::chrono::hours{24};

}  // namespace

void Housekeeping::keep_time() {
  service_.rows.metadata.set_value(kTimelineKey, std::to_string(service_.now().count()));
}

bool Housekeeping::keeps_all() {
  const auto& clock = service_.clock();
  if (clock.down() < kLongPause || clock.up() >= kHeldFor) return false;
  if (!std::exchange(warned_, true))
    log::warn(fmt::format("the clock is {} days ahead of the last run: if it is wrong, set it within {} hours; until then "
                          "no old tasks, logs, events and audit entries are removed",
                          std::chrono::floor<std::chrono::days>(clock.down()).count(),
                          std::chrono::floor<std::chrono::hours>(kHeldFor).count()));
  return true;
}

bool Housekeeping::run() {
  keep_time();
  if (keeps_all()) return service_.absence.run();
  const auto old = service_.wall() - std::chrono::days{service_.options().keep_logs_days};
  const auto old_events = service_.wall() - std::chrono::days{service_.options().events.keep_days};
  const int most = std::max({service_.rows.idempotency_keys.forget(service_.wall() - kKeepAnswers, kPruneAtOnce),
                             service_.rows.transfer_log().prune(old, kPruneAtOnce),
                             service_.rows.audit_log.prune(old, kPruneAtOnce),
                             service_.rows.event_log.prune(old_events, kPruneAtOnce)});
  const bool more_tasks = prune_tasks();
  const bool more_strangers = service_.newcomers.forget_absent();
  const bool more_lost = service_.absence.run();
  return most >= kPruneAtOnce || more_tasks || more_strangers || more_lost;
}

bool Housekeeping::prune_tasks() {
  const auto old = service_.wall() - std::chrono::days{service_.options().tasks.keep_days};
  const auto oldest = service_.rows.tasks().oldest(pruned_up_to_, kPruneAtOnce);
  int left = kPruneAtOnce;
  for (const auto& task : oldest) {
    if (task.created >= old) break;  // and so are all after it
    // What a rollout decides by stays as long as it goes on.
    const bool needed = task.rollout != 0 && service_.rollouts.find(task.rollout);
    if (task.ended && *task.ended < old && !needed) {
      left -= service_.rows.transfer_log().remove_of(task.number, left);
      if (left <= 0) return true;
      service_.rows.unit.remove_task(task.number);
    }
    pruned_up_to_ = task.number;
  }
  const bool more = oldest.size() == kPruneAtOnce && pruned_up_to_ == oldest.back().number;
  if (!more) pruned_up_to_ = 0;
  return more;
}

}  // namespace ota::engine
