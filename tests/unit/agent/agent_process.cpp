#include "agent_process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <atomic>
#include <cstdlib>
#include <sstream>

#include "agent/run.hpp"

namespace ota::agent {
namespace {

constexpr auto kVariable = "OTA_AGENT_TEST_ARGUMENTS";

// Where this program was started as the agent, it is that and nothing else.
class BeTheAgent final : public ::testing::Environment {
 public:
  void SetUp() override {
    const char* text = std::getenv(kVariable);
    if (text == nullptr) return;
    std::istringstream lines(text);
    std::vector<std::string> words{"ota-agent"};
    for (std::string line; std::getline(lines, line);) words.push_back(line);
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    int status = run_agent(static_cast<int>(words.size()), argv.data());
    std::fflush(nullptr);
    _exit(status);
  }
};

[[maybe_unused]] const auto* const kEnvironment = ::testing::AddGlobalTestEnvironment(new BeTheAgent);

}  // namespace

AgentProcess::AgentProcess(const std::filesystem::path& dir, const std::vector<std::string>& arguments) {
  static std::atomic<int> number = 0;
  output_ = dir / ("output-" + std::to_string(++number));
  std::string text;
  for (const auto& argument : arguments) text += argument + "\n";
  std::vector<std::string> environment{std::string(kVariable) + "=" + text};
  for (char** variable = environ; *variable != nullptr; ++variable) environment.emplace_back(*variable);
  std::vector<char*> envp;
  for (auto& variable : environment) envp.push_back(variable.data());
  envp.push_back(nullptr);
  auto output = output_.string();
  std::string self = "/proc/self/exe", name = "ota-agent";
  char* argv[] = {name.data(), nullptr};
  int out = open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // goes with a test that crashes
    dup2(out, STDOUT_FILENO);
    execve(self.c_str(), argv, envp.data());
    _exit(127);
  }
  close(out);
}

int AgentProcess::wait() {
  if (pid_ <= 0) return status_;
  int status = 0;
  bool ended = test::eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }, std::chrono::seconds(60));
  if (!ended) {
    kill();
    return -1;
  }
  pid_ = -1;
  return status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::size_t AgentProcess::peak_memory() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string word; status >> word;) {
    if (word != "VmHWM:") continue;
    std::size_t kib = 0;
    status >> kib;
    return kib * 1024;
  }
  return 0;
}

std::vector<nlohmann::json> AgentProcess::events(const std::string& name) const {
  std::vector<nlohmann::json> result;
  std::ifstream in(output_);
  for (std::string line; std::getline(in, line);) {
    auto event = nlohmann::json::parse(line, nullptr, false);
    if (event.is_object() && event.value("event", "") == name) result.push_back(event);
  }
  return result;
}

void AgentProcess::end(int signal) {
  if (pid_ <= 0) return;
  ::kill(pid_, signal);
  int status = 0;
  waitpid(pid_, &status, 0);
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  pid_ = -1;
}

}  // namespace ota::agent
