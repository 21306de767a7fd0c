#include "app/program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "ota/base/settings.hpp"

namespace ota::app {
namespace {

Environment environment_of(const Program& program) {
  auto all = process_environment();
  const auto name_of = [](const std::string& variable) { return variable.substr(0, variable.find('=')); };
  for (const auto& wanted : program.environment) {
    std::erase_if(all, [&](const auto& one) { return name_of(one) == name_of(wanted); });
    if (wanted.find('=') != std::string::npos) all.push_back(wanted);
  }
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers(texts.size() + 1, nullptr);
  std::transform(texts.begin(), texts.end(), pointers.begin(), [](auto& text) { return text.data(); });
  return pointers;
}

}  // namespace

Result<int> run_program(const Program& program) {
  std::array<int, 2> input{};
  if (::pipe2(input.data(), O_CLOEXEC) != 0) return fail(Errc::server_fault, "can't make a pipe");
  // A pipe takes that much without a reader.
  const auto written = ::write(input[1], program.input.data(), program.input.size());
  ::close(input[1]);
  std::vector<std::string> words{program.path};
  words.insert(words.end(), program.arguments.begin(), program.arguments.end());
  auto variables = environment_of(program);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, program.path.c_str(), &actions, nullptr, pointers_to(words).data(),
                                    pointers_to(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(input[0]);
  if (failed != 0)
    return fail(failed == ENOENT ? Errc::not_found : Errc::server_fault,
                fmt::format("can't run {}: {}", program.path, std::strerror(failed)));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || written != static_cast<ssize_t>(program.input.size()))
    return fail(Errc::server_fault, fmt::format("{} was ended by a signal", program.path));
  return WEXITSTATUS(status);
}

std::string sibling(const std::string& name) {
  std::error_code error;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto beside = own.parent_path() / name;
  return !error && std::filesystem::exists(beside, error) ? beside.string() : name;
}

}  // namespace ota::app
