// A command of the device's owner: started, watched, ended in time.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace ota::agent {

struct Command {
  std::string line;                      ///< a program, or a line for the shell
  std::vector<std::string> arguments;    ///< `$1` and so on
  std::vector<std::string> environment;  ///< `NAME=value`, besides the agent's own
  std::chrono::seconds timeout{60};
  bool errors_too = true;  ///< what it writes to standard error is output as well; else it goes to the agent's
};

/// How a command ended, and what it said.
struct Outcome {
  static constexpr std::size_t kKept = 1024;  ///< bytes of each end of the output

  enum class Kind {
    exited,       ///< by itself, with `status`
    signalled,    ///< by the signal `status`
    timed_out,    ///< ended by the agent, after its timeout
    interrupted,  ///< ended by the agent, which was told to stop
    not_started,
  };
  Kind kind = Kind::not_started;
  int status = 0;
  std::string first;  ///< of its output, as it came
  std::string last;

  bool succeeded() const { return kind == Kind::exited && status == 0; }
};

/// Runs it in a process group of its own, with nothing to read, and waits. Past its timeout, or while `interrupted`,
/// the group gets SIGTERM, and 5 s later SIGKILL. Its output goes to standard error as well where `errors_too`. Any
/// thread; a process that the command leaves behind must not write to the output that it inherited.
Outcome run_command(const Command& command, const std::atomic<bool>& interrupted);

/// How it ended, in words: `the install command ended with status 7` for `what` = `the install command`.
std::string describe(std::string_view what, const Outcome& outcome);

/// The end of the output, printable (ota/base/text.hpp), at most Outcome::kKept bytes; empty where it said nothing.
std::string last_words(const Outcome& outcome);

/// How it ended and what it said last, together at most Outcome::kKept bytes less some for more words.
std::string explain(std::string_view what, const Outcome& outcome);

}  // namespace ota::agent
