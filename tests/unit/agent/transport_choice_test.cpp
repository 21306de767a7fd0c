#include "agent/transport_choice.hpp"

#include <gtest/gtest.h>

namespace ota::agent {
namespace {

using std::chrono::seconds;
constexpr auto kHttp = Transport::http;
constexpr auto kMqtt = Transport::mqtt;

struct Choice : TransportChoice {
  Choice() { set_order({kHttp, kMqtt}); }
  Time now = Time{} + std::chrono::hours(1);
  Transport get() const { return current(now); }
  void fail(Transport transport, int times = kFailures) {
    for (int i = 0; i < times; ++i) failed(transport, now);
  }
};

TEST(TransportChoice, FollowsTheOrder) {
  Choice choice;
  EXPECT_EQ(choice.get(), kHttp);
  choice.set_order({kMqtt, kHttp});
  EXPECT_EQ(choice.get(), kMqtt);
  choice.set_order({});
  EXPECT_EQ(choice.get(), kMqtt) << "none is no order";
}

TEST(TransportChoice, OneFailureIsNoDeath) {
  Choice choice;
  for (int i = 0; i < 20; ++i) {
    choice.fail(kHttp, 1);
    EXPECT_EQ(choice.get(), kHttp);
    choice.worked(kHttp);
  }
}

TEST(TransportChoice, SilenceIsDeath) {
  Choice choice;
  choice.died(kHttp, choice.now);
  EXPECT_EQ(choice.get(), kMqtt);
  choice.now += TransportChoice::kRest;
  EXPECT_EQ(choice.get(), kHttp);
}

TEST(TransportChoice, FallsBackAndComesBack) {
  Choice choice;
  choice.fail(kHttp);
  EXPECT_EQ(choice.get(), kMqtt);
  choice.now += TransportChoice::kRest - seconds(1);
  EXPECT_EQ(choice.get(), kMqtt);
  choice.now += seconds(1);
  EXPECT_EQ(choice.get(), kHttp);
  choice.fail(kHttp, 1);
  EXPECT_EQ(choice.get(), kMqtt) << "on trial, one failure is enough";
  choice.now += TransportChoice::kRest;
  EXPECT_EQ(choice.get(), kMqtt) << "and it rests for longer";
  choice.now += TransportChoice::kRest;
  EXPECT_EQ(choice.get(), kHttp);
  for (int i = 0; i < TransportChoice::kProven; ++i) choice.worked(kHttp);
  choice.fail(kHttp);
  choice.now += TransportChoice::kRest;
  EXPECT_EQ(choice.get(), kHttp) << "its past was forgiven";
}

TEST(TransportChoice, RestsNoLongerThanItsBound) {
  Choice choice;
  for (int i = 0; i < 20; ++i) {
    choice.fail(kHttp);
    choice.now += TransportChoice::kLongestRest;
    EXPECT_EQ(choice.get(), kHttp);
  }
}

TEST(TransportChoice, TakesTheOneThatComesBackFirstWhereAllAreDead) {
  Choice choice;
  choice.fail(kHttp);
  choice.now += seconds(5);
  choice.fail(kMqtt);
  EXPECT_EQ(choice.get(), kHttp);
  EXPECT_FALSE(choice.usable(kHttp, choice.now));
  choice.fail(kHttp);
  EXPECT_EQ(choice.get(), kMqtt);
}

TEST(TransportChoice, ANewOrderPutsItsFirstOnTrial) {
  Choice choice;
  choice.fail(kMqtt);
  choice.set_order({kMqtt, kHttp});
  EXPECT_EQ(choice.get(), kMqtt);
  choice.fail(kMqtt, 1);
  EXPECT_EQ(choice.get(), kHttp);
  choice.set_order({kMqtt, kHttp});
  EXPECT_EQ(choice.get(), kHttp) << "the same metadata once more says nothing new";
}

TEST(TransportChoice, WhatRevivedIsOnTrial) {
  Choice choice;
  choice.fail(kHttp);
  choice.fail(kMqtt);
  choice.revived(kMqtt);
  EXPECT_EQ(choice.get(), kMqtt);
  choice.fail(kMqtt, 1);
  EXPECT_EQ(choice.get(), kHttp) << "one failure is enough";
}

TEST(TransportChoice, WhatIsExcludedStaysOutForTheTask) {
  Choice choice;
  choice.set_order({kMqtt, kHttp});
  choice.exclude(kMqtt);
  choice.fail(kHttp);
  EXPECT_EQ(choice.get(), kHttp) << "dead is better than never";
  choice.begin_task();
  EXPECT_EQ(choice.get(), kMqtt);
}

}  // namespace
}  // namespace ota::agent
