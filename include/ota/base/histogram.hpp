// Counts of values by size, for metrics.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace ota {

/// A value: a copy is a snapshot. Not thread-safe.
class Histogram {
 public:
  static constexpr std::size_t kMostBounds = 15;

  /// `bounds` ascend and outlive it; at most kMostBounds.
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds.first(std::min(bounds.size(), kMostBounds))) {}

  void observe(double value) {
    const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    ++counts_[static_cast<std::size_t>(at)];
    ++total_;
    sum_ += value;
  }

  std::span<const double> bounds() const { return bounds_; }
  /// Values up to bounds()[i] and above the bound before.
  std::uint64_t count(std::size_t i) const { return counts_[i]; }
  std::uint64_t total() const { return total_; }
  double sum() const { return sum_; }

 private:
  std::span<const double> bounds_;
  std::array<std::uint64_t, kMostBounds + 1> counts_{};  ///< the last one used: above all bounds
  std::uint64_t total_ = 0;
  double sum_ = 0;
};

}  // namespace ota
