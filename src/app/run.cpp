#include "app/run.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <exception>
#include <iostream>

#include "app/arguments.hpp"
#include "app/config_check.hpp"
#include "app/daemon.hpp"
#include "app/service_manager.hpp"
#include "ota/base/fault.hpp"
#include "ota/base/log.hpp"

namespace ota::app {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongestWait{1'000};      ///< between two updates of watchdog and status
constexpr milliseconds kShortestSilence{5'000};  ///< the engine may be busy with one commit for this long
constexpr unsigned kBeyondGraceS = 10;           ///< after the grace time, then a hanging stop is aborted

/// Blocks the signals that the main thread waits for. Call it before other threads start: they inherit it.
sigset_t block_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

/// The next signal, or 0 after `wait`.
int next_signal(const sigset_t& set, milliseconds wait) {
  const timespec time{static_cast<std::time_t>(wait.count() / 1000),
                      static_cast<long>(wait.count() % 1000) * 1'000'000};
  const int number = sigtimedwait(&set, nullptr, &time);
  return number > 0 ? number : 0;
}

extern "C" void cut_short(int) { ::_exit(kFault); }

/// From here on a second SIGTERM or SIGINT, or a hanging stop, ends the process immediately.
void arm_second_signal(int grace_s) {
  for (const int number : {SIGTERM, SIGINT, SIGALRM}) ::signal(number, cut_short);
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT}) sigaddset(&set, number);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::alarm(static_cast<unsigned>(grace_s) + kBeyondGraceS);
}

void reload(Daemon& daemon, const std::string& config) {
  notify_reloading();
  auto wanted = read_settings(config);
  if (wanted) {
    daemon.reload(*wanted);
  } else {
    log::error(fmt::format("the settings are unchanged: {}", wanted.error().message));
  }
  notify_ready(daemon.status());
}

/// Serves until SIGTERM or SIGINT; returns the signal.
int serve(Daemon& daemon, const sigset_t& signals, const std::string& config) {
  const auto watchdog = watchdog_time();
  const auto wait = watchdog ? std::clamp(*watchdog / 4, milliseconds(50), kLongestWait) : kLongestWait;
  const auto silence = watchdog ? std::max(*watchdog / 2, kShortestSilence) : kShortestSilence;
  std::string told;
  for (;;) {
    const int number = next_signal(signals, wait);
    if (number == SIGTERM || number == SIGINT) return number;
    try {
      if (number == SIGHUP) reload(daemon, config);
      if (number == SIGUSR1 || number == SIGUSR2)  // as scripts of logrotate send them to other daemons
        log::warn("SIGUSR1 and SIGUSR2 have no effect: SIGHUP reads the settings again and opens log.file anew");
      daemon.watch();
      // A busy engine is fine. If it hangs, the service manager must end the process.
      if (daemon.alive(silence)) notify_alive();
      if (auto status = daemon.status(); status != told) notify_status(told = std::move(status));
    } catch (...) {
      log::error(fmt::format("{} failed: {}", number == SIGHUP ? "reading the settings again" : "watching the server",
                             describe_exception(std::current_exception())));
    }
  }
}

}  // namespace

void tell(const Error& error) {
  if (error.fields.empty()) std::cerr << "otad: " << error.message << '\n';
  for (const auto& field : error.fields) std::cerr << "otad: " << field.message << '\n';
}

int run_daemon(const Settings& settings, const std::string& config) {
  const auto signals = block_signals();
  if (auto configured = log::configure(settings.log); !configured) {
    tell(configured.error());
    return kBadSettings;
  }
  for (const auto& warning : unknown_variables(process_environment())) log::warn(warning);
  log::info(fmt::format("otad {} starts{}", OTAD_VERSION, config.empty() ? "" : " with " + config));
  int number = 0;
  {
    Daemon daemon(settings);
    if (auto started = daemon.start(); !started) {
      log::error(fmt::format("can't start: {}", started.error().message));
      return started.error().code == Errc::malformed ? kBadSettings : kFault;
    }
    notify_ready(daemon.status());
    number = serve(daemon, signals, config);
    log::info(fmt::format("stopping on {}", number == SIGTERM ? "SIGTERM" : "SIGINT"));
    notify_stopping();
    arm_second_signal(daemon.settings().shutdown_grace_s);
    daemon.stop();
  }
  log::info("stopped");
  return kStopped;
}

}  // namespace ota::app
