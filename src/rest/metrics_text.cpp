#include "rest/metrics_text.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace ota::rest {
namespace {

const double kStarted = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

void append_escaped(std::string& text, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
}

}  // namespace

void MetricsPage::begin(std::string_view name, std::string_view help, std::string_view type) {
  fmt::format_to(std::back_inserter(text_), "# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

void MetricsPage::sample(std::string_view name, std::string_view label, std::string_view label_value, double value) {
  sample(name, {{label, std::string(label_value)}}, value);
}

void MetricsPage::open(std::string_view name, std::initializer_list<Label> labels, char& before) {
  text_ += name;
  before = '{';
  for (const auto& [label, text] : labels) {
    fmt::format_to(std::back_inserter(text_), "{}{}=\"", before, label);
    append_escaped(text_, text);
    text_ += '"';
    before = ',';
  }
}

void MetricsPage::sample(std::string_view name, std::initializer_list<Label> labels, double value) {
  char before = '{';
  open(name, labels, before);
  fmt::format_to(std::back_inserter(text_), "{} {}\n", before == '{' ? "" : "}", value);
}

void MetricsPage::histogram(std::string_view name, std::initializer_list<Label> labels, const Histogram& values) {
  const auto bucket = fmt::format("{}_bucket", name);
  std::uint64_t up_to = 0;
  char before = '{';
  for (std::size_t i = 0; i < values.bounds().size(); ++i) {
    up_to += values.count(i);
    open(bucket, labels, before);
    fmt::format_to(std::back_inserter(text_), "{}le=\"{}\"}} {}\n", before, values.bounds()[i], up_to);
  }
  open(bucket, labels, before);
  fmt::format_to(std::back_inserter(text_), "{}le=\"+Inf\"}} {}\n", before, values.total());
  sample(fmt::format("{}_sum", name), labels, values.sum());
  sample(fmt::format("{}_count", name), labels, static_cast<double>(values.total()));
}

void MetricsPage::one(std::string_view name, std::string_view help, std::string_view type, double value) {
  begin(name, help, type);
  fmt::format_to(std::back_inserter(text_), "{} {}\n", name, value);
}

ProcessMetrics process_metrics() {
  ProcessMetrics metrics;
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  if (std::ifstream statm("/proc/self/statm"); statm >> pages >> resident)
    metrics.resident_bytes = resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  std::error_code error;
  for (std::filesystem::directory_iterator fd("/proc/self/fd", error), end; !error && fd != end; fd.increment(error))
    ++metrics.open_files;
  metrics.start_seconds = kStarted;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) metrics.max_files = limit.rlim_cur;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) metrics.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  return metrics;
}

}  // namespace ota::rest
