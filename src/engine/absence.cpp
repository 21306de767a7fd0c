#include "engine/absence.hpp"

#include <fmt/format.h>

#include <utility>

#include "engine/task_service.hpp"
#include "ota/base/text.hpp"

namespace ota::engine {
namespace {

constexpr const char* kLostUpTo = "lost_up_to";  // in the database: ms since 1970, a blank, a device
constexpr int kLostAtOnce = 1'000;

}  // namespace

void Absence::resync() {
  place_ = {};
  const auto text = service_.rows.metadata.value(kLostUpTo);
  const auto blank = text ? text->find(' ') : std::string::npos;
  if (blank == std::string::npos) return;
  if (const auto ms = parse_decimal<std::int64_t>(std::string_view(*text).substr(0, blank)))
    place_ = {WallTime{Millis{*ms}}, text->substr(blank + 1)};
}

bool Absence::run() {
  const auto before = service_.wall() - std::chrono::days{service_.options().fleet.living_days};
  if (place_ == storage::ContactPlace{}) {  // those that were lost before there were events are no news
    keep({before, {}});
    return false;
  }
  if (before <= place_.seen) return false;
  const auto lost = service_.rows.absent_devices().list(place_, before, kLostAtOnce);
  for (const auto& device : lost) service_.events.device_lost(device);
  const bool more = lost.size() == kLostAtOnce;
  if (more)
    keep({*lost.back().last_seen, lost.back().id});
  else
    keep({before, {}});
  return more;
}

bool Absence::lost(const Device& device) const {
  return device.last_seen && storage::ContactPlace{*device.last_seen, device.id} <= place_;
}

void Absence::keep(storage::ContactPlace place) {
  place_ = std::move(place);
  service_.rows.metadata.set_value(kLostUpTo,
                                   fmt::format("{} {}", place_.seen.time_since_epoch().count(), place_.id));
}

}  // namespace ota::engine
