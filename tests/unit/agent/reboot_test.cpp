// Installs that need a restart, and what runs after them. A restart of the agent stands for that of the device.
#include <sys/stat.h>

#include "agent_fixture.hpp"

namespace ota::agent {
namespace {

class Reboot : public Agent {
 protected:
  Reboot() { runs("1.0.0"); }

  void runs(const std::string& version) { std::ofstream(slot_) << version << "\nmore of the file\n"; }
  std::vector<std::string> words(const std::string& install, std::vector<std::string> more = {}) const {
    auto result = staying({"--once", "--version-file", slot_, "--install", install});
    result.insert(result.end(), more.begin(), more.end());
    return result;
  }
  int once(const std::string& install, std::vector<std::string> more = {}) {
    AgentProcess agent(dir_, words(install, std::move(more)));
    return agent.wait();
  }
  std::vector<std::string> states() {
    std::vector<std::string> result;
    for (const auto& progress : server_.heard("progress"))
      if (progress.contains("state")) result.push_back(progress["state"]);
    return result;
  }
  std::string reason() {
    const auto all = server_.heard("progress");
    return all.empty() ? "" : all.back().value("reason", "");
  }
  std::string kept() const { return content(dir_ / "gw" / "task.json"); }

  std::string slot_ = (dir_ / "slot").string();
};

TEST_F(Reboot, IntoTheNewVersion) {
  server_.offer(firmware_);
  ASSERT_EQ(once("echo written; exit 10"), 5);
  EXPECT_EQ(states(), (std::vector<std::string>{"downloading", "installing", "rebooting"}));
  EXPECT_EQ(server_.count("request"), 1u) << "nothing asked that would deny the new version";
  EXPECT_EQ(content(dir_ / "gw" / "device.json").find("2.0.0"), std::string::npos) << "it doesn't run yet";

  runs("2.0.0");
  ASSERT_EQ(once("exit 99"), 0);
  EXPECT_EQ(states().back(), "installed");
  EXPECT_EQ(std::ranges::count(states(), "installing"), 1) << "not installed twice";
  EXPECT_NE(content(dir_ / "gw" / "device.json").find("2.0.0"), std::string::npos);
  EXPECT_EQ(kept(), "");
}

TEST_F(Reboot, SaysFirstWhatBecameOfItThenWhatRuns) {
  server_.offer(firmware_);
  ASSERT_EQ(once("exit 10"), 5);
  runs("2.0.0");
  auto arguments = words("exit 99");
  std::erase(arguments, "--once");
  AgentProcess agent(dir_, arguments);
  ASSERT_TRUE(eventually([&] { return server_.count("request") == 2; }));
  EXPECT_EQ(states().back(), "installed");
  EXPECT_EQ(server_.heard("request").back()["current_version"], "2.0.0");
  const auto installed = agent.events("installed");
  ASSERT_EQ(installed.size(), 1u);
  EXPECT_EQ(installed[0]["from_version"], "1.0.0");
  EXPECT_EQ(installed[0]["version"], "2.0.0");
}

TEST_F(Reboot, BackIntoTheOldVersion) {
  server_.offer(firmware_);
  ASSERT_EQ(once("echo wrote slot b; echo made it next >&2; exit 10"), 5);
  ASSERT_EQ(once("exit 99"), 3);
  EXPECT_EQ(states().back(), "rolled_back");
  EXPECT_EQ(reason(), "wrote slot b\\nmade it next");
  EXPECT_EQ(content(dir_ / "gw" / "device.json").find("2.0.0"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(image("2.0.0")));
}

TEST_F(Reboot, IntoAVersionThatNobodyExpected) {
  server_.offer(firmware_);
  ASSERT_EQ(once("exit 10"), 5);
  runs("1.5.0");
  ASSERT_EQ(once("exit 99"), 3);
  EXPECT_EQ(states().back(), "rolled_back");
  EXPECT_EQ(reason(), "1.5.0 runs after the install, not 2.0.0");
}

TEST_F(Reboot, IntoANewerVersionThanTheOrderedOne) {
  server_.offer(firmware_);
  for (const auto& install : {std::string("exit 10"), "echo 2.5.0 > " + slot_}) {
    runs("1.0.0");
    const auto requests = server_.count("request");
    if (install == "exit 10") {
      ASSERT_EQ(once(install), 5);
      runs("2.5.0");
    }
    ASSERT_EQ(once(install), 3);
    EXPECT_NE(states().back(), "rolled_back");
    EXPECT_NE(states().back(), "failed") << reason();
    EXPECT_GT(server_.count("request"), requests + 1);
    EXPECT_EQ(server_.heard("request").back()["current_version"], "2.5.0") << "the server judges by it";
    EXPECT_EQ(kept(), "");
    EXPECT_FALSE(std::filesystem::exists(image("2.0.0")));
  }
}

TEST_F(Reboot, BackIntoANewerVersionThatADowngradeWasToReplace) {
  runs("3.0.0");
  server_.offer(firmware_);
  ASSERT_EQ(once("exit 10", {"--allow-downgrade"}), 5);
  ASSERT_EQ(once("exit 99", {"--allow-downgrade"}), 3);
  EXPECT_EQ(states().back(), "rolled_back");
  EXPECT_EQ(reason(), "3.0.0 runs after the install, not 2.0.0");
}

TEST_F(Reboot, VersionsThatCompareAsEqualAreTheSame) {
  server_.offer(firmware_);
  ASSERT_EQ(once("exit 10"), 5);
  runs("v2.0.0+build.7");
  ASSERT_EQ(once("exit 99"), 0);
  EXPECT_EQ(states().back(), "installed");
}

TEST_F(Reboot, TheStatusIsAnOption) {
  server_.offer(firmware_);
  EXPECT_EQ(once("exit 10", {"--reboot-status", "3"}), 3);
  EXPECT_EQ(states().back(), "failed");
  EXPECT_EQ(once("exit 3", {"--reboot-status", "3"}), 5);
  EXPECT_EQ(states().back(), "rebooting");
}

TEST_F(Reboot, TheCommandRunsOnceTheServerKnows) {
  server_.offer(firmware_);
  const auto mark = (dir_ / "rebooted").string();
  AgentProcess agent(dir_, words("exit 10", {"--reboot-command", "date > " + mark}));
  ASSERT_EQ(agent.wait(), 5);
  EXPECT_TRUE(std::filesystem::exists(mark));
  EXPECT_EQ(states().back(), "rebooting");
  EXPECT_EQ(agent.events("rebooting").size(), 1u);
}

TEST_F(Reboot, ARestartByTheInstallCommandItself) {
  server_.offer(firmware_);
  {
    AgentProcess agent(dir_, words("echo going down; sleep 30"));
    ASSERT_TRUE(eventually([&] { return kept().find("\"phase\":\"installing\"") != std::string::npos; }));
    agent.kill();
  }
  runs("2.0.0");
  ASSERT_EQ(once("exit 99"), 0);
  EXPECT_EQ(states().back(), "installed");
}

TEST_F(Reboot, AnInstallThatIsCutIsBegunAnewThreeTimesAtMost) {
  server_.offer(firmware_);
  const auto begun = dir_ / "begun";
  const auto install = fmt::format("echo x >> {}; sleep 30", begun.string());
  for (int i = 1; i <= 3; ++i) {
    AgentProcess agent(dir_, words(install));
    ASSERT_TRUE(eventually([&] { return content(begun).size() == 2u * static_cast<std::size_t>(i); })) << i;
    agent.kill();
  }
  ASSERT_EQ(once(install), 3);
  EXPECT_EQ(content(begun).size(), 6u);
  EXPECT_EQ(states().back(), "failed");
  EXPECT_NE(reason().find("3 times"), std::string::npos) << reason();
}

TEST_F(Reboot, BeingToldToStopIsNoTry) {
  server_.offer(firmware_);
  const auto begun = dir_ / "begun";
  const auto install = fmt::format("echo x >> {}; sleep 30", begun.string());
  for (int i = 1; i <= 4; ++i) {
    AgentProcess agent(dir_, words(install));
    ASSERT_TRUE(eventually([&] { return content(begun).size() == 2u * static_cast<std::size_t>(i); })) << i;
    agent.terminate();
    EXPECT_EQ(agent.wait(), 0);
  }
  EXPECT_EQ(once("exit 10"), 5);
}

TEST_F(Reboot, TheOutcomeIsKeptUntilItCanBeSaid) {
  server_.offer(firmware_);
  ASSERT_EQ(once("echo slot b; exit 10"), 5);
  {
    auto arguments = words("exit 99");
    *(std::ranges::find(arguments, "--broker") + 1) = fmt::format("tcp://127.0.0.1:{}", test::free_port());
    AgentProcess agent(dir_, arguments);
    ASSERT_TRUE(eventually([&] { return kept().find("\"outcome\":\"rolled_back\"") != std::string::npos; }));
    agent.kill();
  }
  runs("2.0.0");  // whatever is done to the device in the meantime
  ASSERT_EQ(once("exit 99"), 3);
  EXPECT_EQ(states().back(), "rolled_back");
  EXPECT_EQ(reason(), "slot b");
}

TEST_F(Reboot, WithoutASourceTheOptionSaysWhatRuns) {
  server_.offer(firmware_);
  const auto run_as = [&](const std::string& version, const std::string& install) {
    AgentProcess agent(dir_, staying({"--once", "--current-version", version, "--install", install}));
    return agent.wait();
  };
  ASSERT_EQ(run_as("1.0.0", "echo out; exit 10"), 5);
  ASSERT_EQ(run_as("1.0.0", "exit 99"), 3);
  EXPECT_EQ(states().back(), "rolled_back");
  ASSERT_EQ(run_as("1.0.0", "exit 10"), 5);
  ASSERT_EQ(run_as("2.0.0", "exit 99"), 0);
  EXPECT_EQ(states().back(), "installed");
}

TEST_F(Reboot, WithNothingThatSaysWhatRunsItIsNoSuccess) {
  server_.offer(firmware_);
  const auto run_so = [&](const std::string& install) {
    AgentProcess agent(dir_, staying({"--once", "--install", install}));
    return agent.wait();
  };
  ASSERT_EQ(run_so("exit 10"), 5);
  ASSERT_EQ(run_so("exit 99"), 3);
  EXPECT_EQ(states().back(), "failed");
  EXPECT_NE(reason().find("--version-command"), std::string::npos) << reason();
}

TEST_F(Reboot, HealthDecidesBeforeItIsConfirmed) {
  server_.offer(firmware_);
  ASSERT_EQ(once("exit 10"), 5);
  runs("2.0.0");
  const auto tries = dir_ / "tries";
  ASSERT_EQ(once("exit 99", {"--health-command",
                             fmt::format("echo $OTA_VERSION >> {0}; test $(wc -l < {0}) -ge 2", tries.string())}),
            0);
  EXPECT_EQ(content(tries), "2.0.0\n2.0.0\n");
  EXPECT_EQ(states().back(), "installed");
}

TEST_F(Reboot, AnUnhealthyVersionIsAFailure) {
  server_.offer(firmware_);
  ASSERT_EQ(once("exit 10"), 5);
  runs("2.0.0");
  ASSERT_EQ(once("exit 99", {"--health-command", "echo no modem; exit 4", "--health-timeout", "1"}), 3);
  EXPECT_EQ(states().back(), "failed");
  EXPECT_EQ(reason(), "2.0.0 runs, but the health command ended with status 4: no modem");
}

TEST_F(Reboot, AnUnhealthyVersionIsNotConfirmedByTheNextRequestEither) {
  server_.offer(firmware_);
  const auto well = dir_ / "well";
  const auto health = "test -e " + well.string();
  ASSERT_EQ(once("exit 10"), 5);
  runs("2.0.0");
  ASSERT_EQ(once("exit 99", {"--health-command", health, "--health-timeout", "1"}), 3);
  server_.on_message = [this](const std::string& device, const std::string& what, const Json&) {
    if (what == "request") server_.send(device, {{"type", "up_to_date"}});
  };
  const auto before = server_.count("request");
  AgentProcess agent(dir_, staying({"--version-file", slot_, "--poll", "1", "--health-command", health}));
  ASSERT_TRUE(eventually([&] { return server_.count("request") >= before + 2; }));
  for (std::size_t i = before; i < before + 2; ++i)
    EXPECT_FALSE(server_.heard("request")[i].contains("current_version")) << "to say it would be to confirm it";
  std::ofstream(well) << "now";
  EXPECT_TRUE(eventually([&] { return server_.heard("request").back().value("current_version", "") == "2.0.0"; }));
}

TEST_F(Reboot, HealthThatNeverEndsIsEnded) {
  server_.offer(firmware_);
  ASSERT_EQ(once("exit 10"), 5);
  runs("2.0.0");
  ASSERT_EQ(once("exit 99", {"--health-command", "sleep 30", "--health-timeout", "1"}), 3);
  EXPECT_EQ(states().back(), "failed");
  EXPECT_NE(reason().find("timed out"), std::string::npos) << reason();
}

TEST_F(Reboot, HealthCountsWithoutARestartToo) {
  server_.offer(firmware_);
  ASSERT_EQ(once("echo 2.0.0 > " + slot_, {"--health-command", "exit 1", "--health-timeout", "1"}), 3);
  EXPECT_EQ(states().back(), "failed");
}

TEST_F(Reboot, StatusZeroWithTheNewVersionRunningIsInstalled) {
  server_.offer(firmware_);
  ASSERT_EQ(once("echo 2.0.0 > " + slot_), 0);
  EXPECT_EQ(states(), (std::vector<std::string>{"downloading", "installing", "installed"}));
}

TEST_F(Reboot, StatusZeroWithTheOldVersionRunningIsAFailure) {
  server_.offer(firmware_);
  ASSERT_EQ(once("echo all fine"), 3);
  EXPECT_EQ(states().back(), "failed");
  EXPECT_NE(reason().find("status 0, but 1.0.0 runs, not 2.0.0"), std::string::npos) << reason();
  EXPECT_EQ(content(dir_ / "gw" / "device.json").find("2.0.0"), std::string::npos);
}

TEST_F(Reboot, WithoutAnInstallCommandItWaitsUntilTheNewVersionRuns) {
  server_.offer(firmware_);
  AgentProcess agent(dir_, staying({"--once", "--version-file", slot_}));
  ASSERT_TRUE(eventually([&] { return std::ranges::count(states(), "installing") == 1; }));
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  runs("2.0.0");
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_EQ(states().back(), "installed");
}

TEST_F(Reboot, WhatRunsIsAskedBeforeEachRequest) {
  AgentProcess agent(dir_, staying({"--version-command", "cat " + slot_, "--poll", "1"}));
  ASSERT_TRUE(eventually([&] { return server_.count("request") >= 1; }));
  EXPECT_EQ(server_.heard("request").front()["current_version"], "1.0.0");
  runs("1.1.0");
  ASSERT_TRUE(eventually([&] { return server_.heard("request").back().value("current_version", "") == "1.1.0"; }));
  runs("");
  ASSERT_TRUE(eventually([&] { return !server_.heard("request").back().contains("current_version"); }))
      << "not known is not the last that was";
  EXPECT_GE(agent.events("error").size(), 1u);
}

TEST_F(Reboot, AVersionFileThatIsNoFileIsNamedAndStopsNothing) {
  const auto fifo = (dir_ / "fifo").string();
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  for (const auto& file : {fifo, dir_.string(), std::string("/dev/zero")}) {
    const auto before = server_.count("request");
    AgentProcess agent(dir_, staying({"--version-file", file}));
    ASSERT_TRUE(eventually([&] { return server_.count("request") > before; })) << file;
    EXPECT_FALSE(server_.heard("request").back().contains("current_version"));
    const auto errors = agent.events("error");
    ASSERT_FALSE(errors.empty());
    EXPECT_EQ(errors.front()["detail"], "the version file: " + file + " is no regular file");
    agent.terminate();
    EXPECT_EQ(agent.wait(), 0);
  }
}

TEST_F(Reboot, WhoChangesCurrentVersionKnowsBetterThanTheLastInstall) {
  server_.offer(firmware_);
  ASSERT_EQ(run({"--install", "true"}), 0);
  // Offered the same again, the second agent would ask once more, which the third could seem to have done.
  server_.on_message = [&](const std::string& device, const std::string& what, const Json&) {
    if (what == "request") server_.send(device, {{"type", "up_to_date"}});
  };
  const auto says = [&](const std::string& version) {
    const auto before = server_.count("request");
    AgentProcess agent(dir_, staying({"--current-version", version}));
    EXPECT_TRUE(eventually([&] { return server_.count("request") > before; }));
    return server_.heard("request").back()["current_version"].get<std::string>();
  };
  EXPECT_EQ(says("1.0.0"), "2.0.0") << "an install was recorded since";
  EXPECT_EQ(says("1.2.0"), "1.2.0");
}

TEST_F(Reboot, ADeviceThatLostItsImageSaysSo) {
  AgentProcess agent(dir_, staying({"--version-file", slot_}));
  ASSERT_TRUE(eventually([&] { return server_.count("request") == 1; }));
  server_.send("gw", {{"type", "success"}, {"task_id", firmware_.task}, {"version", "2.0.0"}});
  ASSERT_TRUE(eventually([&] { return server_.count("progress") == 1; }));
  EXPECT_EQ(states().back(), "failed");
  EXPECT_EQ(reason(), "the verified image is no longer on this device");
  server_.send("gw", {{"type", "success"}, {"task_id", firmware_.task}, {"version", "1.0.0"}});
  ASSERT_TRUE(eventually([&] { return server_.count("progress") == 2; }));
  EXPECT_EQ(states().back(), "installed") << "a late one, of the version that runs";
}

TEST_F(Reboot, TheLastKiBOfTheOutputIsTheReason) {
  server_.offer(firmware_);
  ASSERT_EQ(once("seq 1 2000; printf 'the \\033[31mend\\n' >&2; exit 7"), 3);
  EXPECT_EQ(states().back(), "failed");
  const auto said = reason();
  EXPECT_LE(said.size(), 1024u);
  EXPECT_GT(said.size(), 900u);
  EXPECT_TRUE(said.ends_with("2000\\nthe \\x1b[31mend")) << said;
}

}  // namespace
}  // namespace ota::agent
