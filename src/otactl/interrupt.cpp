#include "otactl/interrupt.hpp"

#include <csignal>
#include <ctime>

namespace ota::otactl {
namespace {

volatile std::sig_atomic_t signalled = 0;

void note(int) { signalled = 1; }

void handle_by(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;  // without SA_RESTART: sleeps and reads end
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
}

}  // namespace

CatchInterrupts::CatchInterrupts() { handle_by(note); }
CatchInterrupts::~CatchInterrupts() { handle_by(SIG_DFL); }

bool interrupted() { return signalled != 0; }

void sleep_until(std::chrono::steady_clock::time_point time) {
  using namespace std::chrono;
  while (!interrupted()) {
    const auto left = time - steady_clock::now();
    if (left <= nanoseconds{0}) return;
    const auto piece = std::min<nanoseconds>(left, milliseconds{200});
    const timespec pause{static_cast<time_t>(piece / seconds{1}), static_cast<long>((piece % seconds{1}).count())};
    ::nanosleep(&pause, nullptr);
  }
}

}  // namespace ota::otactl
