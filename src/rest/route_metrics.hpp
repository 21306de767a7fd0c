// How long operators' calls take, by route, and with which status they end.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>

#include "ota/base/histogram.hpp"
#include "ota/base/mutex.hpp"
#include "rest/metrics_text.hpp"

namespace ota::rest {

struct Route;

/// Thread-safe; no other lock is taken while its lock is held.
class RouteMetrics {
 public:
  /// `route`: null where no route matched.
  void add(const Route* route, unsigned status, double seconds);
  void write(MetricsPage& page) const;

 private:
  static constexpr std::size_t kStatuses = 600;
  std::array<std::atomic<std::uint64_t>, kStatuses> statuses_{};
  mutable Mutex mutex_;
  std::map<const Route*, Histogram> times_ OTA_GUARDED_BY(mutex_);
};

}  // namespace ota::rest
