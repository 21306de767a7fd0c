#include "agent/command.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace ota::agent {
namespace {

using Kind = Outcome::Kind;

Outcome outcome_of(const std::string& line, std::chrono::seconds timeout = std::chrono::seconds(30)) {
  std::atomic<bool> interrupted = false;
  return run_command({line, {"/the image"}, {"OTA_VERSION=2.0.0"}, timeout}, interrupted);
}

TEST(RunCommand, AnswersStatusAndOutput) {
  const auto outcome = outcome_of("echo \"$1 $OTA_VERSION\"; echo error >&2; exit 7");
  EXPECT_EQ(outcome.kind, Kind::exited);
  EXPECT_EQ(outcome.status, 7);
  EXPECT_FALSE(outcome.succeeded());
  EXPECT_EQ(outcome.last, "/the image 2.0.0\nerror\n");
  EXPECT_EQ(outcome.first, outcome.last);
  EXPECT_EQ(last_words(outcome), "/the image 2.0.0\\nerror");
  EXPECT_EQ(describe("the install command", outcome), "the install command ended with status 7");
  EXPECT_TRUE(outcome_of("true").succeeded());
}

TEST(RunCommand, AProgramNeedsNoShell) {
  const auto outcome = outcome_of("/bin/echo");
  EXPECT_TRUE(outcome.succeeded());
  EXPECT_EQ(outcome.last, "/the image\n");
}

TEST(RunCommand, KeepsErrorsOutOfTheOutputWhereOnlyThatCounts) {
  std::atomic<bool> interrupted = false;
  const auto outcome =
      run_command({"echo warning >&2; echo 1.0.0", {}, {}, std::chrono::seconds(30), false}, interrupted);
  EXPECT_EQ(outcome.first, "1.0.0\n");
}

TEST(RunCommand, HasNothingToRead) { EXPECT_TRUE(outcome_of("test -z \"$(cat)\"").succeeded()); }

TEST(RunCommand, KeepsBothEndsOfMuchOutput) {
  const auto outcome = outcome_of("echo first; seq 1 100000; echo last");
  EXPECT_TRUE(outcome.succeeded());
  EXPECT_EQ(outcome.first.size(), Outcome::kKept);
  EXPECT_TRUE(outcome.first.starts_with("first\n1\n2\n"));
  EXPECT_EQ(outcome.last.size(), Outcome::kKept);
  EXPECT_TRUE(outcome.last.ends_with("100000\nlast\n"));
  EXPECT_LE(last_words(outcome).size(), Outcome::kKept);
}

struct PassedOn {
  Outcome outcome;
  std::string said;  // on the agent's standard error
};

PassedOn passed_on(const std::string& line, bool errors_too = true) {
  std::atomic<bool> interrupted = false;
  testing::internal::CaptureStderr();
  auto outcome = run_command({line, {}, {}, std::chrono::seconds(30), errors_too}, interrupted);
  return {std::move(outcome), testing::internal::GetCapturedStderr()};
}

TEST(RunCommand, PassesOnAllOfAnOrdinaryOutput) {
  EXPECT_EQ(passed_on("echo one; echo two >&2").said, "one\ntwo\n");
  EXPECT_EQ(passed_on("echo 1.0.0; echo two >&2", false).said, "two\n") << "the version is no news";
  const auto most = Outcome::kPassedOn + Outcome::kKept;
  EXPECT_EQ(passed_on(fmt::format("head -c {} /dev/zero", most)).said, std::string(most, '\0')) << "nothing left out";
}

TEST(RunCommand, PassesOnTheEndsOfMuchOutput) {
  for (const bool errors_too : {true, false}) {
    const auto [outcome, said] = passed_on("{ echo first; seq 1 100000; echo last; } >&2", errors_too);
    EXPECT_TRUE(outcome.succeeded());
    const std::size_t all = 588'895 + 6 + 5;
    const auto line =
        fmt::format("\nota-agent: {} bytes of the output are left out\n", all - Outcome::kPassedOn - Outcome::kKept);
    EXPECT_TRUE(said.starts_with("first\n1\n2\n"));
    EXPECT_EQ(said.find(line), Outcome::kPassedOn);
    EXPECT_EQ(said.size(), Outcome::kPassedOn + line.size() + Outcome::kKept);
    EXPECT_TRUE(said.ends_with("100000\nlast\n"));
    EXPECT_EQ(outcome.last.empty(), !errors_too);
  }
}

TEST(RunCommand, AnEndlessOutputFillsNoDisk) {
  std::atomic<bool> interrupted = false;
  for (const auto* line : {"yes x", "yes x >&2"}) {
    for (const bool errors_too : {true, false}) {
      testing::internal::CaptureStderr();
      const auto outcome = run_command({line, {}, {}, std::chrono::seconds(1), errors_too}, interrupted);
      EXPECT_LT(testing::internal::GetCapturedStderr().size(), Outcome::kPassedOn + 2 * Outcome::kKept) << line;
      EXPECT_EQ(outcome.kind, Kind::timed_out) << line;
    }
  }
}

TEST(RunCommand, EndsWhatTakesTooLongAndAllThatItStarted) {
  const auto began = std::chrono::steady_clock::now();
  const auto outcome = outcome_of("echo begun; sleep 300 & sleep 300", std::chrono::seconds(1));
  EXPECT_EQ(outcome.kind, Kind::timed_out);
  EXPECT_EQ(outcome.last, "begun\n");
  EXPECT_EQ(describe("x", outcome), "x timed out and was killed");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(60));
}

TEST(RunCommand, KillsWhatDoesNotHeedSigterm) {
  const auto outcome = outcome_of("trap '' TERM; while :; do sleep 1; done", std::chrono::seconds(1));
  EXPECT_EQ(outcome.kind, Kind::timed_out);
}

TEST(RunCommand, EndsWhenInterrupted) {
  std::atomic<bool> interrupted = true;
  const auto outcome = run_command({"sleep 300", {}, {}, std::chrono::seconds(300)}, interrupted);
  EXPECT_EQ(outcome.kind, Kind::interrupted);
  EXPECT_FALSE(outcome.succeeded());
}

TEST(RunCommand, WaitsForNoneThatOutlivesIt) {
  const auto began = std::chrono::steady_clock::now();
  const auto outcome = outcome_of("sleep 20 & echo done");
  EXPECT_TRUE(outcome.succeeded());
  EXPECT_EQ(outcome.last, "done\n");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(15));
}

TEST(RunCommand, NamesTheSignalThatEndedIt) {
  const auto outcome = outcome_of("kill -9 $$");
  EXPECT_EQ(outcome.kind, Kind::signalled);
  EXPECT_EQ(describe("x", outcome), "x was killed by signal 9");
}

TEST(LastWords, ArePrintableAndWholeCharacters) {
  Outcome outcome;
  outcome.last = "\x82\xac up \x1b[2J\xff\n\n";
  EXPECT_EQ(last_words(outcome), "up \\x1b[2J\\xff");
  outcome.last = std::string(Outcome::kKept, '\x01');
  EXPECT_EQ(last_words(outcome).size(), Outcome::kKept);
  EXPECT_EQ(last_words({}), "");
}

}  // namespace
}  // namespace ota::agent
