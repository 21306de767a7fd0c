#include "otactl/watch.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "otactl/format.hpp"
#include "otactl/interrupt.hpp"
#include "otactl/output.hpp"

namespace ota::otactl {
namespace {

using Steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kPoll = 1s;
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

}  // namespace

int watch(Call& call, const std::string& path, Look (*look)(const Call& call, const Json& json),
          std::string_view goes_on) {
  const CatchInterrupts catching;
  const auto begun = Steady::now();
  const auto timeout = call.duration("timeout");
  auto heard = begun;
  Display display(call);
  for (;;) {
    const auto next = Steady::now() + kPoll;
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
    if (timeout && Steady::now() - begun >= *timeout)
      throw Failure(kTimedOut, fmt::format("not ended after {}; {}", span_text(*timeout), goes_on));
    sleep_until(timeout ? std::min(next, begun + *timeout) : next);
  }
}

}  // namespace ota::otactl
