// The whole agent as a process of its own, against a server that does as it is told.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <sstream>

#include "agent_process.hpp"
#include "fake_server.hpp"

namespace ota::agent {

using test::eventually;

inline std::string bytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string result(size, '\0');
  for (auto& c : result) c = static_cast<char>(random());
  return result;
}

inline std::string content(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class Agent : public ::testing::Test {
 protected:
  Agent() {
    dir_ = std::filesystem::temp_directory_path() /
           fmt::format("ota-agent-{}-{}", getpid(), testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(dir_);
    firmware_.image = bytes(9'500, 1);
  }
  ~Agent() override { std::filesystem::remove_all(dir_); }

  std::vector<std::string> arguments(std::vector<std::string> more = {}) const {
    auto result = staying({"--once", "--current-version", "1.0.0"});
    result.insert(result.end(), more.begin(), more.end());
    return result;
  }
  // Without --once and --current-version.
  std::vector<std::string> staying(std::vector<std::string> more = {}) const {
    std::vector<std::string> result{"--id",        "gw", "--broker", server_.broker().url(),
                                    "--state-dir", dir_, "--report", "json"};
    result.insert(result.end(), more.begin(), more.end());
    return result;
  }
  int run(std::vector<std::string> more = {}) {
    AgentProcess agent(dir_, arguments(std::move(more)));
    return agent.wait();
  }
  std::filesystem::path image(const std::string& version) const { return dir_ / "gw" / ("image-" + version); }
  // How often each chunk was served, in order.
  std::vector<int> times(const Firmware& firmware) {
    std::vector<int> result(firmware.count());
    for (auto [index, count] : server_.served(firmware.task)) result[index] = count;
    return result;
  }
  std::vector<int> all_once() const { return std::vector<int>(firmware_.count(), 1); }

  std::filesystem::path dir_;
  FakeServer server_;
  Firmware firmware_;
};

}  // namespace ota::agent
