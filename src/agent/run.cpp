#include "agent/run.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

#include "agent/fleet.hpp"
#include "agent/options.hpp"
#include "agent/report.hpp"
#include "agent/state_dir.hpp"
#include "ota/base/log.hpp"
#include "ota/base/random.hpp"
#include "ota/firmware/signature.hpp"

namespace ota::agent {
namespace {

constexpr int kFault = 1;
constexpr int kBadArguments = 2;
constexpr timespec kLookEvery{0, 50'000'000};

// Before any thread, so that all of them leave the signals to wait_for_end().
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

// SIGHUP ends only what was started on a terminal, and that is gone: a device must not lose its agent by it.
int wait_for_end(const Fleet& fleet, const sigset_t& signals) {
  const bool on_terminal = isatty(STDIN_FILENO);
  for (;;) {
    if (auto status = fleet.verdict(); status) {
      return *status;
    }
    const int number = sigtimedwait(&signals, nullptr, &kLookEvery);
    if (number == SIGTERM || number == SIGINT || (number == SIGHUP && on_terminal)) return 0;
    if (number > 0)
      log::warn(fmt::format("signal {} has no effect: the options are read at the start; SIGTERM ends ota-agent", number));
  }
}

int run(const Options& options, const sigset_t& signals) {
  std::optional<firmware::TrustedKeys> trusted;
  if (!options.trusted_keys.empty()) {
    auto keys = firmware::TrustedKeys::load_all({options.trusted_keys.begin(), options.trusted_keys.end()});
    if (!keys) {
      log::error(keys.error().message);
      return kBadArguments;
    }
    trusted = std::move(*keys);
  }
  auto reporter = make_reporter(options.report, device_ids(options));
  SystemRandom random;
  auto fleet = Fleet::create({options, *reporter, random, trusted ? &*trusted : nullptr});
  if (!fleet) {
    log::error(fleet.error().message);
    return fleet.error().code == Errc::forbidden ? kBadArguments : kFault;
  }
  if (const auto warning = warning_of_ancestors(options.state_dir)) log::warn(*warning);
  (*fleet)->start();
  int status = wait_for_end(**fleet, signals);
  (*fleet)->stop();
  return status;
}

}  // namespace

int run_agent(int argc, char** argv) {
  auto options = parse_options(argc, argv);
  if (const int* status = std::get_if<int>(&options)) return *status;
  auto signals = block_signals();
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) return kFault;
  int status = run(std::get<Options>(options), signals);
  curl_global_cleanup();
  return status;
}

}  // namespace ota::agent
