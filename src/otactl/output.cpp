#include "otactl/output.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>

#include "ota/base/text.hpp"
#include "otactl/failure.hpp"

namespace ota::otactl {

void write_out(std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EPIPE) {
      std::signal(SIGPIPE, SIG_DFL);
      std::raise(SIGPIPE);
    }
    throw Failure(kRefused, fmt::format("can't write to standard output: {}", std::strerror(errno)));
  }
}

void write_error(std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0 && errno != EINTR) return;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void write_note(std::string_view line) { write_error(std::string(line) + "\n"); }

void confirm(bool yes_given, std::string_view question, std::string_view nothing_done) {
  if (yes_given) return;
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1)
    throw Failure(kUsage, fmt::format("{}: without a terminal this needs --yes", nothing_done));
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  const auto said = trim(answer);
  if (iequals(said, "y") || iequals(said, "yes")) return;
  if (std::cin.eof()) std::cerr << '\n';
  throw Failure(kRefused, fmt::format("{}: the answer was not yes", nothing_done));
}

}  // namespace ota::otactl
