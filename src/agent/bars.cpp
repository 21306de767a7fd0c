#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

#include "agent/report.hpp"
#include "ota/base/mutex.hpp"
#include "ota/base/text.hpp"

namespace ota::agent {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::size_t kBarWidth = 24;
constexpr std::size_t kLineWidth = 160;
constexpr std::size_t kDefaultRows = 24;

std::size_t terminal_rows() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 2 ? size.ws_row : kDefaultRows;
}

std::string amount(double bytes) {
  if (bytes < 1e3) return fmt::format("{:.0f} B", bytes);
  if (bytes < 1e6) return fmt::format("{:.1f} kB", bytes / 1e3);
  return fmt::format("{:.1f} MB", bytes / 1e6);
}

std::string doing(const Event& event) {
  if (event.event == "metadata" || event.event == "chunk") return "downloading";
  if (event.event == "success") return "verified, installing";
  if (event.event == "rebooting") return "installed, waiting for the reboot";
  if (event.detail.empty()) return event.event;
  return fmt::format("{}: {}", event.event, event.detail);
}

// At most so many bytes, no character cut in its middle.
std::string cut_utf8(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  text.resize(most);
  return text;
}

std::string draw(const Event& event, std::size_t name_width) {
  auto done = static_cast<std::size_t>(event.size == 0 ? 0 : event.bytes * kBarWidth / event.size);
  auto percent = event.size == 0 ? 0 : event.bytes * 100 / event.size;
  auto versions = event.from_version.empty() ? event.version : event.from_version + " -> " + event.version;
  auto rate = event.seconds > 0 ? static_cast<double>(event.bytes_fetched) / event.seconds : 0;
  auto line = fmt::format("{:<{}} {:<9}{:<20} [{:<{}}] {:>3}% {:>9} {:>9}/s  {}", event.device, name_width,
                          event.priority, versions, std::string(done, '#'), kBarWidth, percent,
                          amount(static_cast<double>(event.size)), amount(rate), doing(event));
  // Much of it is text from the server, whose control characters must not reach the terminal.
  std::string printable;
  append_printable(printable, line);
  return cut_utf8(std::move(printable), kLineWidth);
}

class Bars final : public Reporter {
 public:
  explicit Bars(std::vector<std::string> devices) : devices_(std::move(devices)), drawer_([this] { run(); }) {}

  ~Bars() override {
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    drawer_.join();
  }

  void tell(const Event& event) override {
    const MutexLock lock(mutex_);
    auto& shown = shown_[event.device];
    // Events that end or interrupt a task may not repeat its values: the line keeps them.
    auto old = std::exchange(shown, event);
    if (event.size == 0) {
      shown = std::move(old);
      shown.device = event.device;
      shown.event = event.event;
      shown.detail = event.detail;
    }
    changed_ = true;
  }

 private:
  void run() {
    const MutexLock lock(mutex_);
    while (!stopping_) {
      redraw();
      const auto until = std::chrono::steady_clock::now() + kRedraw;
      while (!stopping_ && wake_.wait_until(mutex_, until)) continue;
    }
    redraw();
  }

  void redraw() OTA_REQUIRES(mutex_) {
    if (!std::exchange(changed_, false)) return;
    auto room = std::max<std::size_t>(terminal_rows() - 1, 1);
    auto rows = std::min(devices_.size(), room);
    std::size_t width = 0;
    for (const auto& device : devices_) width = std::max(width, device.size());
    std::string frame;
    if (drawn_ > 0) frame += fmt::format("\x1b[{}A", drawn_);
    for (std::size_t i = 0; i < rows; ++i) {
      bool last_of_more = i + 1 == rows && devices_.size() > rows;
      auto it = shown_.find(devices_[i]);
      frame += "\r\x1b[2K";
      frame += last_of_more ? summary() : it == shown_.end() ? devices_[i] : draw(it->second, width);
      frame += "\n";
    }
    drawn_ = rows;
    std::fwrite(frame.data(), 1, frame.size(), stdout);
    std::fflush(stdout);
  }

  std::string summary() const OTA_REQUIRES(mutex_) {
    std::map<std::string, int> states;
    for (const auto& [device, event] : shown_) ++states[event.event == "metadata" ? "chunk" : event.event];
    auto line = fmt::format("all {} devices:", devices_.size());
    for (const auto& [state, count] : states)
      line += fmt::format(" {} {}", state == "chunk" ? "downloading" : state, count);
    return line;
  }

  const std::vector<std::string> devices_;
  Mutex mutex_;
  ConditionVariable wake_;
  std::map<std::string, Event> shown_ OTA_GUARDED_BY(mutex_);
  std::size_t drawn_ OTA_GUARDED_BY(mutex_) = 0;
  bool changed_ OTA_GUARDED_BY(mutex_) = true;
  bool stopping_ OTA_GUARDED_BY(mutex_) = false;
  std::thread drawer_;
};

}  // namespace

std::unique_ptr<Reporter> make_bars(std::vector<std::string> devices) {
  return std::make_unique<Bars>(std::move(devices));
}

}  // namespace ota::agent
