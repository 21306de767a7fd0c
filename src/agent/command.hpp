// Runs a command of the device's owner, with a timeout.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace ota::agent {

struct Command {
  std::string line;                      ///< a program, or a shell command
  std::vector<std::string> arguments;    ///< `$1` and so on
  std::vector<std::string> environment;  ///< `NAME=value`, besides the agent's own
  std::chrono::seconds timeout{60};
  bool errors_too = true;  ///< its standard error is part of the output; else it is only passed on
};

/// How a command ended, and its output.
struct Outcome {
  static constexpr std::size_t kKept = 1024;           ///< bytes of each end of the output
  static constexpr std::size_t kPassedOn = 64 * 1024;  ///< of its begin, to the agent's standard error

  enum class Kind {
    exited,       ///< with `status`
    signalled,    ///< killed by the signal `status`
    timed_out,    ///< killed by the agent after its timeout
    interrupted,  ///< killed by the agent, which is stopping
    not_started,
  };
  Kind kind = Kind::not_started;
  int status = 0;
  std::string first;  ///< of its output, unchanged
  std::string last;

  bool succeeded() const { return kind == Kind::exited && status == 0; }
};

/// Runs it in its own process group, with empty standard input, and waits. After its timeout, or when `interrupted` is
/// set, the group gets SIGTERM, and 5 s later SIGKILL. Its output with `errors_too`, else its standard error, is passed on
/// to the agent's standard error: the first Outcome::kPassedOn bytes, and of a longer one a line that says how much is
/// left out, and the last Outcome::kKept bytes. Any thread. Precondition: no process that the command leaves behind writes to the inherited output.
Outcome run_command(const Command& command, const std::atomic<bool>& interrupted);

/// How it ended, as text: `the install command ended with status 7` for `what` = `the install command`.
std::string describe(std::string_view what, const Outcome& outcome);

/// The end of the output, printable (ota/base/text.hpp), at most Outcome::kKept bytes; empty without output.
std::string last_words(const Outcome& outcome);

/// How it ended and the end of its output, together a little less than Outcome::kKept bytes.
std::string explain(std::string_view what, const Outcome& outcome);

}  // namespace ota::agent
