#include "otactl/watch.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <memory>

#include "otactl/event_stream.hpp"
#include "otactl/format.hpp"
#include "otactl/interrupt.hpp"
#include "otactl/output.hpp"

namespace ota::otactl {
namespace {

using Steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kPoll = 1s;
constexpr auto kPollWithEvents = 5s;  ///< for what is no event: rates, times
constexpr auto kSettle = 200ms;       ///< after an event, for those that come with it
constexpr auto kPatience = 5min;  ///< with a server that can't be reached

std::string clock_text() {
  const auto now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  return fmt::format("{:%H:%M:%S}", parts);
}

/// Writes what changed: lines in their place on a terminal, else one line.
class Display {
 public:
  explicit Display(const Call& call) : call_(call) {}

  void show(const Reply& reply, const Look& look) {
    if (call_.json()) {
      if (reply.body != last_) write_out(reply.body);
      last_ = reply.body;
    } else if (call_.terminal().draws()) {
      draw(look.lines);
    } else if (look.plain != last_) {
      last_ = look.plain;
      write_out(clock_text() + "  " + look.plain + "\n");
    }
  }

  void lost(const std::string& why) {
    if (lost_) return;
    lost_ = true;
    drawn_ = 0;
    write_note(fmt::format("{}  {}; trying again", clock_text(), why.substr(0, why.find('\n'))));
  }
  void found() {
    if (std::exchange(lost_, false)) write_note(fmt::format("{}  connected again", clock_text()));
  }

 private:
  void draw(const std::vector<std::string>& lines) {
    std::string frame;
    if (drawn_ > 0) frame += fmt::format("\x1b[{}A", drawn_);
    const auto most = std::max<std::size_t>(call_.terminal().rows(), 2) - 1;
    const auto shown = std::min(lines.size(), most);
    for (std::size_t i = 0; i < shown; ++i) frame += "\r\x1b[2K" + lines[i] + "\n";
    frame += "\x1b[J";  // lines of the frame before
    drawn_ = shown;
    write_out(frame);
  }

  const Call& call_;
  std::string last_;
  std::size_t drawn_ = 0;
  bool lost_ = false;
};

/// Waits for what comes first: an event, a time. Servers without events are asked each second.
class Waiter {
 public:
  explicit Waiter(Call& call) : call_(call) {}

  void wait(Steady::time_point end) {
    try {
      if (has_events_ && !stream_)
        stream_ = std::make_unique<EventStream>(call_.client(), Query{{"types", "rollout.*,task.*"}}, "");
      if (stream_) return wait_for_event(end);
    } catch (const Unreachable&) {
      stream_.reset();
    } catch (const Failure&) {
      stream_.reset();
      has_events_ = false;
    }
    sleep_until(std::min(end, Steady::now() + kPoll));
  }

 private:
  void wait_for_event(Steady::time_point end) {
    const auto until = std::min(end, Steady::now() + kPollWithEvents);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Steady::now());
    if (!stream_->next(std::max(left, 0ms)).empty()) sleep_until(std::min(end, Steady::now() + kSettle));
  }

  Call& call_;
  std::unique_ptr<EventStream> stream_;
  bool has_events_ = true;
};

}  // namespace

int watch(Call& call, const std::string& path, Look (*look)(const Call& call, const Json& json),
          std::string_view goes_on) {
  const CatchInterrupts catching;
  const auto begun = Steady::now();
  const auto timeout = call.duration("timeout");
  auto heard = begun;
  const auto end = timeout ? begun + *timeout : Steady::time_point::max();
  Display display(call);
  Waiter waiter(call);
  for (;;) {
    try {
      const auto reply = call.client().get(path);
      const auto seen = look(call, reply.json());
      heard = Steady::now();
      display.found();
      display.show(reply, seen);
      if (seen.status) return *seen.status;
    } catch (const Unreachable& gone) {
      if (Steady::now() - heard > kPatience) throw;
      display.lost(gone.what());
    } catch (const Failure& failure) {
      if (failure.status() != kInterrupted) throw;
    }
    if (interrupted()) throw Failure(kInterrupted, fmt::format("interrupted; {}", goes_on));
    if (timeout && Steady::now() >= end)
      throw Failure(kTimedOut, fmt::format("not ended after {}; {}", span_text(*timeout), goes_on));
    waiter.wait(end);
  }
}

}  // namespace ota::otactl
