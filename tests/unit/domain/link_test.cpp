#include "ota/domain/link.hpp"

#include <gtest/gtest.h>

namespace ota {
namespace {

using namespace std::chrono_literals;

class Link : public ::testing::Test {
 protected:
  static LinkSample sample(double rtt, std::uint64_t segments = 100, std::uint64_t resent = 0,
                           std::optional<double> rate = 1e6) {
    return {rtt, segments, resent, rate, 0};
  }
  LinkVerdict look(int times = 1) {
    for (int i = 0; i < times; ++i) record.judge(said, now);
    return record.verdict;
  }

  LinkRecord record;
  LinkReport said;
  Millis now{1'000'000};
};

TEST_F(Link, IsUnknownUntilSomethingWasSeen) {
  EXPECT_EQ(look(10), LinkVerdict::unknown);
  record.see({});
  record.add(LinkTrouble::resume, now);
  EXPECT_EQ(look(10), LinkVerdict::unknown);
}

TEST_F(Link, TakesTheFirstVerdictAtOnce) {
  record.see(sample(20));
  EXPECT_EQ(look(), LinkVerdict::good);
  EXPECT_EQ(to_string(record.verdict), "good");
}

TEST_F(Link, EveryFigureHasItsThresholds) {
  struct Case {
    LinkSample seen;
    LinkReport said;
    LinkVerdict verdict;
  };
  const Case cases[] = {
      {sample(249), {}, LinkVerdict::good},
      {sample(250), {}, LinkVerdict::fair},
      {sample(1'000), {}, LinkVerdict::poor},
      {{}, {400.0, {}, {}}, LinkVerdict::fair},
      {{}, {2'000.0, {}, {}}, LinkVerdict::poor},
      {{}, {{}, {}, 0.01}, LinkVerdict::good},
      {{}, {{}, {}, 0.05}, LinkVerdict::fair},
      {{}, {{}, {}, 0.3}, LinkVerdict::poor},
      {{}, {{}, -70.0, {}}, LinkVerdict::good},
      {{}, {{}, -100.0, {}}, LinkVerdict::fair},
      {{}, {{}, -115.0, {}}, LinkVerdict::poor},
      {sample(5, 100, 0, 8'000), {}, LinkVerdict::poor},
      {sample(5, 100, 0, 40'000), {}, LinkVerdict::fair},
      {sample(5), {{}, {}, 0.3}, LinkVerdict::poor},
  };
  for (const auto& c : cases) {
    LinkRecord fresh;
    fresh.see(c.seen);
    fresh.judge(c.said, now);
    EXPECT_EQ(fresh.verdict, c.verdict) << &c - cases;
  }
}

TEST_F(Link, ResentSegmentsMakeItPoorAfterSomeTime) {
  for (int i = 0; i < 20; ++i) {
    record.see(sample(20, 200, 30));
    look();
  }
  EXPECT_NEAR(*record.loss, 0.15, 0.01);
  EXPECT_EQ(record.verdict, LinkVerdict::poor);
}

TEST_F(Link, FewSegmentsSayLittle) {
  record.see(sample(20));
  record.see(sample(20, 1, 1));
  EXPECT_LT(*record.loss, 0.02);
  EXPECT_EQ(look(2), LinkVerdict::good);
}

TEST_F(Link, OneOddLookChangesNothing) {
  said.rtt_ms = 10;
  look();
  said.rtt_ms = 5'000;
  EXPECT_EQ(look(), LinkVerdict::good);
  said.rtt_ms = 10;
  EXPECT_EQ(look(), LinkVerdict::good);
  said.rtt_ms = 5'000;
  EXPECT_EQ(look(2), LinkVerdict::poor);
}

TEST_F(Link, BetterTakesLongerThanWorse) {
  said.rtt_ms = 5'000;
  look();
  said.rtt_ms = 10;
  EXPECT_EQ(look(5), LinkVerdict::poor);
  EXPECT_EQ(look(), LinkVerdict::good);
}

TEST_F(Link, TroubleCountsAndIsForgotten) {
  said.rtt_ms = 10;
  look();
  record.add(LinkTrouble::stall, now);
  record.add(LinkTrouble::broken, now);
  record.add(LinkTrouble::mismatch, now);
  record.add(LinkTrouble::resume, now);
  EXPECT_DOUBLE_EQ(record.trouble_now(now), 4.5);
  EXPECT_EQ(look(2), LinkVerdict::fair);
  record.add(LinkTrouble::stall, now);
  EXPECT_EQ(look(2), LinkVerdict::poor);
  now += 10min;
  EXPECT_DOUBLE_EQ(record.trouble_now(now), 3.25);
  now += 20min;
  EXPECT_EQ(look(6), LinkVerdict::good);
  EXPECT_EQ(record.stalls, 2u);
  EXPECT_EQ(record.broken, 1u);
  EXPECT_EQ(record.mismatches, 1u);
  EXPECT_EQ(record.resumes, 1u);
}

TEST_F(Link, AClockThatStandsStillOrWentBackForgetsNothing) {
  record.add(LinkTrouble::stall, now);
  EXPECT_DOUBLE_EQ(record.trouble_now(now - 1h), 2);
}

TEST_F(Link, SamplesAddUp) {
  LinkSample sum = sample(10, 5, 1);
  sum.merge({{}, 7, 2, {}, 100});
  EXPECT_EQ(sum.rtt_ms, 10);
  EXPECT_EQ(sum.segments, 12u);
  EXPECT_EQ(sum.resent, 3u);
  EXPECT_EQ(sum.acked, 100u);
}

}  // namespace
}  // namespace ota
