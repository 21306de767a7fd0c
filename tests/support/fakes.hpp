// Doubles that the tests of several modules use.
#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>

#include "ota/base/clock.hpp"
#include "ota/base/random.hpp"

namespace ota::test {

/// Both hands move only when told to.
class FakeClock final : public Clock {
 public:
  WallTime wall() const override { return wall_; }
  Millis steady() const override { return steady_; }
  void advance(Millis by) {
    wall_ += by;
    steady_ += by;
  }
  void set_wall(WallTime time) { wall_ = time; }

 private:
  WallTime wall_{Millis{1'795'336'200'000}};  // 2026-11-22T08:30:00Z
  Millis steady_{1'000'000};
};

class FakeRandom final : public Random {
 public:
  double unit() override { return value; }
  double value = 0.0;
};

/// A folder that goes with the test.
class TempDir {
 public:
  TempDir() {
    static std::atomic<int> count{0};
    path_ = std::filesystem::temp_directory_path() /
            ("otad-test-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace ota::test
