#include "ota/base/worker_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>

#include "ota/base/random.hpp"

namespace ota {
namespace {

/// Holds a pool's one thread until told otherwise, so that what comes after it waits.
class Gate {
 public:
  explicit Gate(WorkerPool& pool) {
    EXPECT_TRUE(pool.post([this] {
      inside_.set_value();
      open_.get_future().wait();
    }));
    inside_.get_future().wait();
  }
  void open() { open_.set_value(); }

 private:
  std::promise<void> inside_;
  std::promise<void> open_;
};

TEST(WorkerPool, RunsEveryJobOnce) {
  std::atomic<int> runs{0};
  {
    WorkerPool pool("test", 3, 1000);
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(pool.post([&] { ++runs; }));
  }
  EXPECT_EQ(runs, 1000);
}

TEST(WorkerPool, OneThreadKeepsTheOrder) {
  std::vector<int> seen;
  {
    WorkerPool pool("test", 1, 100);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(pool.post([&seen, i] { seen.push_back(i); }));
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen.at(static_cast<std::size_t>(i)), i);
}

TEST(WorkerPool, RefusesWhatIsBeyondItsCapacity) {
  std::atomic<int> runs{0};
  WorkerPool pool("test", 1, 2);
  Gate gate(pool);
  EXPECT_TRUE(pool.post([&] { ++runs; }));
  EXPECT_TRUE(pool.post([&] { ++runs; }));
  EXPECT_FALSE(pool.post([&] { runs += 100; }));
  gate.open();
  std::promise<void> done;
  while (!pool.post([&] { done.set_value(); })) std::this_thread::yield();
  done.get_future().wait();
  EXPECT_EQ(runs, 2);
}

TEST(WorkerPool, AJobThatThrowsEndsAlone) {
  std::atomic<int> runs{0};
  const auto owned = std::make_shared<int>(0);
  {
    WorkerPool pool("test", 1, 10);
    EXPECT_TRUE(pool.post([owned] { throw std::runtime_error("a fault"); }));
    EXPECT_TRUE(pool.post([owned] { throw 5; }));
    EXPECT_TRUE(pool.post([&] { ++runs; }));
  }
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(owned.use_count(), 1) << "what it owned is let go, so that whoever waits learns of it";
}

TEST(WorkerPool, RunsWhatWaitsBeforeItGoes) {
  std::atomic<int> runs{0};
  auto pool = std::make_unique<WorkerPool>("test", 1, 10);
  Gate gate(*pool);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(pool->post([&] { ++runs; }));
  gate.open();
  pool.reset();
  EXPECT_EQ(runs, 10);
}

TEST(SystemRandom, StaysWithinItsRangeAndVaries) {
  SystemRandom random;
  double least = 1, most = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double value = random.unit();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    least = std::min(least, value);
    most = std::max(most, value);
  }
  EXPECT_LT(least, 0.1);
  EXPECT_GT(most, 0.9);
}

}  // namespace
}  // namespace ota
