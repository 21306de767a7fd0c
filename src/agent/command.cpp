#include "agent/command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "ota/base/text.hpp"

namespace ota::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kLookEveryMs = 20;
constexpr std::chrono::seconds kKillAfter{5};
constexpr std::size_t kMostAfterEnd = 64 * 1024;  // of output that is still in the pipe

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

struct Pipe {
  /// Null on failure. Reading it never waits.
  static std::unique_ptr<Pipe> make() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return nullptr;
    auto pipe = std::make_unique<Pipe>(ends[0], ends[1]);
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? std::move(pipe) : nullptr;
  }
  Pipe(int read_end, int write_end) : from(read_end), to(write_end) {}

  Descriptor from;
  Descriptor to;
};

std::vector<char*> pointers(std::vector<std::string>& list) {
  std::vector<char*> result;
  result.reserve(list.size() + 1);
  for (auto& item : list) result.push_back(item.data());
  result.push_back(nullptr);
  return result;
}

// A program gets its arguments as they are; anything else is a line for the shell, where they are $1 and so on.
std::vector<std::string> words_of(const Command& command) {
  std::vector<std::string> words{command.line};
  if (access(command.line.c_str(), X_OK) != 0) words = {"/bin/sh", "-c", command.line, "ota-agent"};
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  return words;
}

std::vector<std::string> environment_of(const Command& command) {
  auto variables = command.environment;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  return variables;
}

// Nothing on failure. In its own process group, so that all that it starts can be ended.
std::optional<pid_t> start(const Command& command, int output, int errors) {
  auto words = words_of(command);
  auto variables = environment_of(command);
  auto argv = pointers(words);
  auto envp = pointers(variables);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &pipe);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int rc = posix_spawn(&pid, words[0].c_str(), &actions, &attributes, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return rc == 0 ? std::optional(pid) : std::nullopt;
}

void append_end(std::string& end, std::string_view text) {
  end.append(text);
  if (end.size() > Outcome::kKept) end.erase(0, end.size() - Outcome::kKept);
}

/// Writes an output to standard error: its begin, and once it is over its end, so that an endless one fills no disk.
class Passed {
 public:
  void take(std::string_view text) {
    const auto begin = text.substr(0, Outcome::kPassedOn - std::min(begin_, Outcome::kPassedOn));
    say(begin);
    begin_ += begin.size();
    text.remove_prefix(begin.size());
    rest_ += text.size();
    append_end(end_, text);
  }
  void finish() {
    if (rest_ > end_.size()) say(fmt::format("\nota-agent: {} bytes of the output are left out\n", rest_ - end_.size()));
    say(end_);
  }

 private:
  static void say(std::string_view text) {
    // The agent's own standard error may be full or gone: that is no reason to fail an install.
    [[maybe_unused]] const auto wrote = write(STDERR_FILENO, text.data(), text.size());
  }

  std::size_t begin_ = 0;
  std::uint64_t rest_ = 0;
  std::string end_;
};

/// The agent's end of a pipe from a command.
struct Reading {
  int fd;
  bool closed = false;
};

/// One command that runs.
class Running {
 public:
  /// `errors` is -1 with errors_too.
  Running(const Command& command, int output, int errors, pid_t pid)
      : output_{output},
        errors_{errors, errors < 0},
        pass_output_(command.errors_too),
        pid_(pid),
        until_(steady_clock::now() + command.timeout) {}

  Outcome wait(const std::atomic<bool>& interrupted) {
    for (int status = 0;;) {
      if (waitpid(pid_, &status, WNOHANG) == pid_) return ended(status);
      const auto now = steady_clock::now();
      if (!ending_ && (interrupted || now > until_)) {
        ending_ = now > until_ ? Outcome::Kind::timed_out : Outcome::Kind::interrupted;
        ::kill(-pid_, SIGTERM);
        until_ = now + kKillAfter;
      } else if (ending_ && now > until_) {
        ::kill(-pid_, SIGKILL);
      }
      pollfd ready[]{{output_.closed ? -1 : output_.fd, POLLIN, 0}, {errors_.closed ? -1 : errors_.fd, POLLIN, 0}};
      if (poll(ready, 2, kLookEveryMs) > 0) read_some();
    }
  }

 private:
  // False where there is no more for now.
  bool read_some() {
    const auto text = read_from(output_);
    outcome_.first.append(text.substr(0, Outcome::kKept - std::min(outcome_.first.size(), Outcome::kKept)));
    append_end(outcome_.last, text);
    if (pass_output_) passed_.take(text);
    const bool more = !text.empty();
    const auto errors = read_from(errors_);
    passed_.take(errors);
    return more || !errors.empty();
  }

  // Valid until the next call.
  std::string_view read_from(Reading& from) {
    if (from.closed) return {};
    const auto got = read(from.fd, buffer_.data(), buffer_.size());
    from.closed = got == 0;
    return {buffer_.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
  }

  Outcome ended(int status) {
    if (ending_) ::kill(-pid_, SIGKILL);  // what it had started
    for (std::size_t read = 0; read < kMostAfterEnd && read_some(); read += buffer_.size()) continue;
    passed_.finish();
    outcome_.kind = ending_.value_or(WIFEXITED(status) ? Outcome::Kind::exited : Outcome::Kind::signalled);
    outcome_.status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    return std::move(outcome_);
  }

  Reading output_;
  Reading errors_;
  const bool pass_output_;
  const pid_t pid_;
  steady_clock::time_point until_;
  std::optional<Outcome::Kind> ending_;  // why it was signalled to end
  std::array<char, 4096> buffer_;
  Passed passed_;
  Outcome outcome_;
};

// Its last bytes, at most `most`, and no character cut at the front.
std::string_view keep_end(std::string_view text, std::size_t most) {
  if (text.size() > most) text.remove_prefix(text.size() - most);
  while (!text.empty() && (static_cast<unsigned char>(text.front()) & 0xc0) == 0x80) text.remove_prefix(1);
  return text;
}

}  // namespace

Outcome run_command(const Command& command, const std::atomic<bool>& interrupted) {
  const auto output = Pipe::make();
  const auto errors = command.errors_too ? nullptr : Pipe::make();
  if (!output || (!errors && !command.errors_too)) return {};
  const auto pid = start(command, output->to.get(), errors ? errors->to.get() : output->to.get());
  output->to.close();
  if (errors) errors->to.close();
  if (!pid) return {};
  return Running(command, output->from.get(), errors ? errors->from.get() : -1, *pid).wait(interrupted);
}

std::string describe(std::string_view what, const Outcome& outcome) {
  switch (outcome.kind) {
    case Outcome::Kind::exited:
      return fmt::format("{} ended with status {}", what, outcome.status);
    case Outcome::Kind::signalled:
      return fmt::format("{} was killed by signal {}", what, outcome.status);
    case Outcome::Kind::timed_out:
      return fmt::format("{} timed out and was killed", what);
    case Outcome::Kind::interrupted:
      return fmt::format("{} was killed because the agent is stopping", what);
    case Outcome::Kind::not_started:
      break;
  }
  return fmt::format("{} can't be started", what);
}

std::string last_words(const Outcome& outcome) {
  // Its first bytes may be the rest of a character: they go before the blanks behind them.
  const auto text = trim(keep_end(outcome.last, outcome.last.size()), " \t\r\n");
  std::string printable;
  append_printable(printable, text);
  return std::string(keep_end(printable, Outcome::kKept));
}

std::string explain(std::string_view what, const Outcome& outcome) {
  auto how = describe(what, outcome);
  const auto words = last_words(outcome);
  if (words.empty()) return how;
  constexpr std::size_t kMoreWords = 256;
  const auto room = Outcome::kKept - kMoreWords - std::min(how.size(), Outcome::kKept / 2);
  return fmt::format("{}: {}", how, keep_end(words, room));
}

}  // namespace ota::agent
