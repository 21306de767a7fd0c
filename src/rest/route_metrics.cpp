#include "rest/route_metrics.hpp"

#include <fmt/format.h>

#include "rest/routes.hpp"

namespace ota::rest {
namespace {

constexpr double kCallBounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10};

}  // namespace

void RouteMetrics::add(const Route* route, unsigned status, double seconds) {
  if (status < kStatuses) statuses_[status].fetch_add(1, std::memory_order_relaxed);
  if (!route) return;
  const MutexLock lock(mutex_);
  times_.try_emplace(route, kCallBounds).first->second.observe(seconds);
}

void RouteMetrics::write(MetricsPage& page) const {
  constexpr auto kRequests = "otad_api_requests_total";
  page.begin(kRequests, "Operators' requests by HTTP status", "counter");
  for (unsigned status = 0; status < kStatuses; ++status)
    if (const auto count = statuses_[status].load(std::memory_order_relaxed); count > 0)
      page.sample(kRequests, "status", std::to_string(status), static_cast<double>(count));
  constexpr auto kSeconds = "otad_api_request_seconds";
  page.begin(kSeconds, "Time until an operator's request was answered, by route", "histogram");
  const MutexLock lock(mutex_);
  for (const auto& [route, times] : times_)
    page.histogram(kSeconds, {{"method", std::string(http::to_string(route->method))}, {"route", std::string(route->pattern)}},
                   times);
}

}  // namespace ota::rest
