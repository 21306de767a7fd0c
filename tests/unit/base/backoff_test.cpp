#include "ota/base/backoff.hpp"

#include <gtest/gtest.h>

namespace ota {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesUpToItsBoundInTheUpperHalf) {
  const Backoff backoff{2s, 60s};
  const std::chrono::milliseconds full[] = {2s, 4s, 8s, 16s, 32s, 60s, 60s};
  for (unsigned step = 0; step < std::size(full); ++step) {
    EXPECT_EQ(backoff.wait(step, 0.0), full[step]);
    EXPECT_GE(backoff.wait(step, 0.999), full[step] / 2);
    EXPECT_LT(backoff.wait(step, 0.5), full[step]);
  }
  EXPECT_EQ(backoff.wait(4'000'000'000u, 0.0), 60s) << "no overflow";
}

}  // namespace
}  // namespace ota
