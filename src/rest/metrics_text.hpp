// The Prometheus text format (https://prometheus.io/docs/instrumenting/exposition_formats/), version 0.0.4.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "ota/base/histogram.hpp"

namespace ota::rest {

/// Collects one page of samples. Names of metrics and labels come from this program only and are not escaped.
class MetricsPage {
 public:
  void counter(std::string_view name, std::string_view help, double value) { one(name, help, "counter", value); }
  void gauge(std::string_view name, std::string_view help, double value) { one(name, help, "gauge", value); }

  /// Several samples of one name: begin, then sample each.
  void begin(std::string_view name, std::string_view help, std::string_view type);
  void sample(std::string_view name, std::string_view label, std::string_view label_value, double value);
  using Label = std::pair<std::string_view, std::string>;
  void sample(std::string_view name, std::initializer_list<Label> labels, double value);
  /// One histogram of that name: `_bucket`, `_sum` and `_count`.
  void histogram(std::string_view name, std::initializer_list<Label> labels, const Histogram& values);

  std::string take() { return std::move(text_); }

 private:
  void one(std::string_view name, std::string_view help, std::string_view type, double value);
  /// `name{label="…"`, without the end; `before` is what goes before the next label.
  void open(std::string_view name, std::initializer_list<Label> labels, char& before);
  std::string text_;
};

/// The kernel's values for this process; 0 for a value that can't be read.
struct ProcessMetrics {
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_files = 0;
  std::uint64_t max_files = 0;
  double cpu_seconds = 0;
  double start_seconds = 0;  ///< since 1970
};
ProcessMetrics process_metrics();

}  // namespace ota::rest
