// The agent as a process of its own, so that it can be killed: this test program started again, as the agent.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/broker.hpp"

namespace ota::agent {

class AgentProcess {
 public:
  /// `dir` takes its output; it lives longer.
  AgentProcess(const std::filesystem::path& dir, const std::vector<std::string>& arguments);
  ~AgentProcess() { kill(); }

  void kill() { end(SIGKILL); }
  void terminate() { end(SIGTERM); }
  /// Its exit status; -1 where it does not end in time or died of a signal.
  int wait();
  /// Bytes, while it runs or until wait() was called.
  std::size_t peak_memory() const;
  /// The events that it told on standard output.
  std::vector<nlohmann::json> events(const std::string& name) const;

 private:
  void end(int signal);
  std::filesystem::path output_;
  pid_t pid_ = -1;
  int status_ = -1;
};

}  // namespace ota::agent
