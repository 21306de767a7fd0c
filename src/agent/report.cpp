#include "agent/report.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "ota/base/log.hpp"
#include "ota/base/mutex.hpp"

namespace ota::agent {
namespace {

class JsonReporter final : public Reporter {
 public:
  void tell(const Event& event) override {
    nlohmann::ordered_json object{{"device", event.device}, {"event", event.event}};
    auto text = [&](const char* name, const std::string& value) {
      if (!value.empty()) object[name] = value;
    };
    text("task_id", event.task_id);
    text("version", event.version);
    text("from_version", event.from_version);
    text("priority", event.priority);
    text("detail", event.detail);
    if (event.size > 0) {
      object["bytes"] = event.bytes;
      object["size"] = event.size;
      object["bytes_fetched"] = event.bytes_fetched;
      object["chunks"] = event.chunks;
      object["chunk_count"] = event.chunk_count;
      object["attempt"] = event.attempt;
      object["seconds"] = static_cast<double>(static_cast<std::int64_t>(event.seconds * 1000)) / 1000;
    }
    // ASCII alone: what the server wrote may hold characters that a terminal obeys.
    auto line = object.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    const MutexLock lock(mutex_);
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
  }

 private:
  Mutex mutex_;
};

class PlainReporter final : public Reporter {
 public:
  void tell(const Event& event) override {
    auto line = fmt::format("device={} event={}", event.device, event.event);
    auto add = [&](const char* name, const std::string& value) {
      if (!value.empty()) line += fmt::format(" {}={}", name, value);
    };
    add("task", event.task_id);
    add("version", event.version);
    add("priority", event.priority);
    if (event.size > 0) {
      line += fmt::format(" bytes={}/{} chunks={}/{} attempt={} seconds={:.1f}", event.bytes, event.size, event.chunks,
                          event.chunk_count, event.attempt, event.seconds);
    }
    if (!event.detail.empty()) line += fmt::format(" ({})", event.detail);
    bool bad = event.event == "failed" || event.event == "rolled_back" || event.event == "error";
    log::write(bad ? log::Level::warn : log::Level::info, line);
  }
};

}  // namespace

std::unique_ptr<Reporter> make_reporter(ReportStyle style, std::vector<std::string> devices) {
  if (style == ReportStyle::automatic) style = isatty(STDOUT_FILENO) ? ReportStyle::bar : ReportStyle::plain;
  auto level = style == ReportStyle::bar ? log::Level::error : log::Level::info;
  (void)log::configure(level, "", log::Format::text);  // standard error cannot fail to open
  if (style == ReportStyle::bar) return make_bars(std::move(devices));
  if (style == ReportStyle::json) return std::make_unique<JsonReporter>();
  return std::make_unique<PlainReporter>();
}

}  // namespace ota::agent
