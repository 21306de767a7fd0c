// Between a verified image and its installation: hold, and the owner's consent (docs/device-protocol.md, hold).
#include <filesystem>
#include <mutex>

#include "agent/consent.hpp"
#include "agent/timezone.hpp"
#include "agent_fixture.hpp"
#include "ota/base/clock.hpp"

namespace ota::agent {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class Held : public Agent {
 protected:
  /// Offers `firmware_`, and answers verify and postponed with `gate`.
  void serve() {
    server_.offer(firmware_);
    server_.on_message = [this](const std::string& device, const std::string& what, const Json& message) {
      if (what == "request") return server_.send(device, server_.metadata(firmware_));
      if (what != "verify" && message.value("state", "") != "postponed") return;
      Json answer;
      {
        const std::lock_guard lock(mutex_);
        answer = gate_;
      }
      if (!answer.is_null()) server_.send(device, answer);
    };
  }
  void gate(const Json& answer) {
    const std::lock_guard lock(mutex_);
    gate_ = answer;
  }
  Json hold(int retry_after_s, const std::string& reason = "pace", const Json& until = nullptr) const {
    return {{"type", "hold"},
            {"task_id", firmware_.task},
            {"reason", reason},
            {"until", until},
            {"retry_after_s", retry_after_s}};
  }
  Json success() const { return {{"type", "success"}, {"task_id", firmware_.task}, {"version", "2.0.0"}}; }
  Json cancel() const { return {{"type", "cancel"}, {"task_id", firmware_.task}, {"reason", "rollout_cancelled"}}; }
  bool verified(std::size_t times) {
    return eventually([&] { return server_.count("verify") >= times; });
  }
  std::vector<Json> states(const std::string& state) {
    std::vector<Json> found;
    for (const auto& progress : server_.heard("progress"))
      if (progress.value("state", "") == state) found.push_back(progress);
    return found;
  }
  /// A command that writes a line into `asked_` and then does as `answer_` says.
  std::vector<std::string> asking(std::vector<std::string> more = {}) {
    const auto command = fmt::format("echo $OTA_DEVICE $OTA_VERSION >> {}; sh {}", asked_, answer_);
    auto result = arguments({"--may-install", command});
    result.insert(result.end(), more.begin(), more.end());
    return result;
  }
  void owner(const std::string& script) const {
    std::ofstream(answer_ + ".new") << script;
    std::filesystem::rename(answer_ + ".new", answer_);
  }
  std::ptrdiff_t asked() const { return std::ranges::count(content(asked_), '\n'); }

  std::string asked_ = (dir_ / "asked").string();
  std::string answer_ = (dir_ / "answer").string();

 private:
  std::mutex mutex_;
  Json gate_;
};

TEST_F(Held, AHeldImageIsKeptAndAskedForAgain) {
  gate(hold(1));
  serve();
  AgentProcess agent(dir_, arguments());
  ASSERT_TRUE(verified(3));
  EXPECT_TRUE(states("installing").empty());
  EXPECT_FALSE(std::filesystem::exists(image("2.0.0")));
  EXPECT_EQ(agent.events("hold").size(), 1u) << "told once while nothing changes";
  gate(success());
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_TRUE(content(image("2.0.0")) == firmware_.image);
  EXPECT_EQ(times(firmware_), all_once());
  EXPECT_EQ(server_.count("request"), 1u);
  for (const auto& verify : server_.heard("verify"))
    EXPECT_EQ(verify["checksum"], FakeServer::checksum(firmware_.image));
}

TEST_F(Held, APushedSuccessOpensTheGate) {
  gate(hold(3600, "window", "2030-01-01T00:00:00Z"));
  serve();
  AgentProcess agent(dir_, arguments());
  ASSERT_TRUE(eventually([&] { return agent.events("hold").size() == 1; }));
  EXPECT_EQ(agent.events("hold")[0]["detail"], "window until 2030-01-01T00:00:00Z");
  const auto asked = server_.count("verify");
  server_.send("gw", success());
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_EQ(server_.count("verify"), asked);
}

TEST_F(Held, ARestartKeepsTheImage) {
  gate(hold(3600));
  serve();
  {
    AgentProcess agent(dir_, arguments());
    ASSERT_TRUE(eventually([&] { return agent.events("hold").size() == 1; }));
    agent.kill();
  }
  AgentProcess agent(dir_, arguments());
  ASSERT_TRUE(verified(2));
  ASSERT_TRUE(eventually([&] { return agent.events("hold").size() == 1; }));
  server_.send("gw", success());
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_EQ(times(firmware_), all_once());
}

TEST_F(Held, AHeldDeviceIsHeardAsOftenAsAnIdleOne) {
  gate(hold(3600));
  serve();
  AgentProcess agent(dir_, arguments({"--poll", "1"}));
  EXPECT_TRUE(verified(3));
}

TEST_F(Held, ACancelledRolloutEndsIt) {
  gate(hold(3600));
  serve();
  AgentProcess agent(dir_, arguments());
  ASSERT_TRUE(eventually([&] { return agent.events("hold").size() == 1; }));
  server_.send("gw", cancel());
  EXPECT_EQ(agent.wait(), 3);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "gw" / "task.json"));
  EXPECT_EQ(agent.events("cancel").at(0)["detail"], "rollout_cancelled");
}

TEST_F(Held, WithoutItsImageADeviceSaysSo) {
  server_.on_message = [](const std::string&, const std::string&, const Json&) {};
  AgentProcess agent(dir_, staying());
  ASSERT_TRUE(eventually([&] { return server_.count("request") == 1; }));
  server_.send("gw", hold(60));
  ASSERT_TRUE(eventually([&] { return states("failed").size() == 1; }));
  EXPECT_EQ(states("failed")[0]["reason"], "the verified image is no longer on this device");
}

TEST_F(Held, AFleetInOneProcess) {
  gate(hold(1));
  serve();
  AgentProcess agent(dir_, arguments({"--count", "5", "--workers", "2"}));
  ASSERT_TRUE(eventually([&] { return agent.events("hold").size() == 5; }));
  EXPECT_TRUE(states("installing").empty());
  server_.send("gw-003", success());
  ASSERT_TRUE(eventually([&] { return states("installed").size() == 1; }));
  gate(success());
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_EQ(states("installed").size(), 5u);
}

TEST_F(Held, TheOwnerIsAskedBeforeAnInstall) {
  owner("exit 0");
  gate(success());
  serve();
  AgentProcess agent(dir_, asking());
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_EQ(content(asked_), "gw 2.0.0\n");
  EXPECT_TRUE(states("postponed").empty());
}

TEST_F(Held, TheOwnerPostponesAndIsAskedAgainThen) {
  owner("echo busy; echo 3; exit 1");
  gate(success());
  serve();
  AgentProcess agent(dir_, asking());
  const auto before = SystemClock().wall();
  ASSERT_TRUE(eventually([&] { return states("postponed").size() == 1; }));
  // The server accepts it, and answers each verify so until it is over.
  const auto until = states("postponed")[0]["until"].get<std::string>();
  gate(hold(1, "postponed", until));
  owner("exit 0");
  EXPECT_EQ(states("postponed")[0]["task_id"], firmware_.task);
  EXPECT_GE(parse_rfc3339(until), before + seconds(2));
  EXPECT_LE(parse_rfc3339(until), SystemClock().wall() + seconds(4));
  EXPECT_TRUE(states("installing").empty());
  ASSERT_TRUE(eventually([&] { return asked() == 2; })) << "when it is over, also before the gate opens";
  EXPECT_GE(SystemClock().wall(), parse_rfc3339(until));
  EXPECT_TRUE(states("installing").empty());
  gate(success());
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_EQ(asked(), 3) << "and right before the install";
}

TEST_F(Held, TheOwnerIsAskedAtTheFirstHold) {
  owner("echo 2030-01-01T00:00:00+01:00; exit 3");
  gate(hold(1));
  serve();
  AgentProcess agent(dir_, asking());
  ASSERT_TRUE(verified(3));
  ASSERT_EQ(states("postponed").size(), 1u);
  const auto end = SystemClock().wall() + kMostPostponed;
  const auto until = parse_rfc3339(states("postponed")[0]["until"].get<std::string>());
  EXPECT_LE(until, end + seconds(1)) << "30 days at most";
  EXPECT_EQ(asked(), 1);
  ASSERT_EQ(agent.events("postponed").size(), 1u);
}

TEST_F(Held, ASuccessDoesNotOverruleTheOwner) {
  owner("exit 1");
  gate(success());
  serve();
  AgentProcess agent(dir_, asking());
  ASSERT_TRUE(eventually([&] { return states("postponed").size() == 1; }));
  for (int i = 0; i < 5; ++i) server_.send("gw", success());
  server_.send("gw", cancel());
  ASSERT_EQ(agent.wait(), 3) << "not begun: what is cancelled ends";
  EXPECT_EQ(asked(), 1);
  EXPECT_EQ(states("postponed").size(), 1u) << "each was answered with success";
  EXPECT_TRUE(states("installing").empty());
  const auto until = parse_rfc3339(states("postponed")[0]["until"].get<std::string>());
  EXPECT_GE(until, SystemClock().wall() + seconds(3500));
  EXPECT_LE(until, SystemClock().wall() + seconds(3601));
}

TEST_F(Held, AfterARestartTheOwnerIsAskedAgain) {
  owner("exit 1");
  gate(success());
  serve();
  {
    AgentProcess agent(dir_, asking());
    ASSERT_TRUE(eventually([&] { return states("postponed").size() == 1; }));
    gate(nullptr);
    agent.kill();
  }
  owner("exit 0");
  gate(success());
  AgentProcess agent(dir_, asking());
  ASSERT_EQ(agent.wait(), 0);
  EXPECT_EQ(asked(), 2);
  EXPECT_EQ(times(firmware_), all_once());
}

TEST_F(Held, RequestsNameZoneAndChannel) {
  ASSERT_EQ(run({"--timezone", "Asia/Kolkata", "--channel", "beta"}), 0);
  const auto request = server_.heard("request").front();
  EXPECT_EQ(request["timezone"], "Asia/Kolkata");
  EXPECT_EQ(request["channel"], "beta");
}

TEST_F(Held, TheZoneIsTheSystemsByDefault) {
  ASSERT_EQ(run(), 0);
  const auto request = server_.heard("request").front();
  EXPECT_EQ(request.value("timezone", ""), system_timezone());
  EXPECT_FALSE(request.contains("channel"));
}

TEST(Consent, WhatTheCommandMeans) {
  const auto now = *parse_rfc3339("2026-11-26T20:00:00Z");
  const auto says = [&](int status, const std::string& output) {
    Outcome outcome;
    outcome.kind = Outcome::Kind::exited;
    outcome.status = status;
    outcome.last = output;
    return postponed_until(outcome, now);
  };
  EXPECT_FALSE(says(0, ""));
  EXPECT_FALSE(says(0, "3600\n")) << "now is now";
  EXPECT_EQ(says(1, "600\n"), now + seconds(600));
  EXPECT_EQ(says(1, "driving\r\n 600 \r\n\r\n"), now + seconds(600));
  EXPECT_EQ(says(1, "2026-11-26T23:00:00+01:00"), now + hours(2));
  for (const auto* text : {"", "\n", "600\nor so", "-5", "1.5", "99999999999", "tomorrow", "2026-11-26"})
    EXPECT_EQ(says(1, text), now + kPostponed) << text;
  EXPECT_EQ(says(1, "0"), now + seconds(1));
  EXPECT_EQ(says(1, "2020-01-01T00:00:00Z"), now + seconds(1));
  EXPECT_EQ(says(1, "4294967295"), now + kMostPostponed);
  EXPECT_EQ(says(1, "9999-12-31T23:59:59Z"), now + kMostPostponed);
  EXPECT_EQ(says(127, "sh: not found"), now + kPostponed);
  EXPECT_EQ(postponed_until(Outcome{}, now), now + kPostponed) << "it can't be started";
}

TEST(Timezone, IsTheLinksNameOrTheFiles) {
  namespace fs = std::filesystem;
  const auto etc = fs::temp_directory_path() / fmt::format("ota-etc-{}", getpid());
  fs::create_directories(etc);
  EXPECT_EQ(system_timezone(etc), "");
  std::ofstream(etc / "timezone") << "Europe/Berlin \nmore\n";
  EXPECT_EQ(system_timezone(etc), "Europe/Berlin");
  fs::create_symlink("../usr/share/zoneinfo/Asia/Kolkata", etc / "localtime");
  EXPECT_EQ(system_timezone(etc), "Asia/Kolkata");
  fs::remove(etc / "localtime");
  fs::create_symlink("/somewhere/else", etc / "localtime");
  EXPECT_EQ(system_timezone(etc), "Europe/Berlin");
  fs::remove(etc / "localtime");
  std::ofstream(etc / "localtime") << "TZif2";
  std::ofstream(etc / "timezone") << "the time of\x1b here\n";
  EXPECT_EQ(system_timezone(etc), "");
  fs::remove_all(etc);
}

}  // namespace
}  // namespace ota::agent
