// Windows, losses and silence of chunks over MQTT, without a broker.
#include "agent/mqtt_source.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "ota/firmware/hash.hpp"

namespace ota::agent {
namespace {

using Json = nlohmann::json;

class MqttSourceTest : public ::testing::Test {
 protected:
  MqttSourceTest() { begin(100, 512); }

  void begin(std::uint32_t count, std::uint32_t chunk_bytes) {
    task_.id = "OTA_20261122_000001";
    task_.grid = {std::uint64_t{count} * chunk_bytes, chunk_bytes};
  }
  std::string bytes(std::uint32_t index) const {
    return std::string(task_.grid.length(index), static_cast<char>('a' + index % 26));
  }
  void deliver(std::uint32_t index) {
    const auto body = bytes(index);
    const auto digest = firmware::sha256(body);
    source_.deliver(task_.id, index, std::string(digest.begin(), digest.end()) + body);
  }
  bool may_bring(std::uint32_t index) { return source_.may_bring(task_, index, std::chrono::steady_clock::now()); }
  /// Answers each question at once, but for the chunks that `lost` names, once each.
  void serve(std::vector<std::uint32_t> lost = {}) {
    on_ask_ = [this, lost](const Json& question) mutable {
      for (const auto& range : question["chunks"]) {
        for (std::uint32_t i = range[0]; i <= range[1]; ++i) {
          if (std::erase(lost, i) == 0) coming_.push_back(i);
        }
      }
    };
  }
  Fetched fetch(std::uint32_t index) {
    const ChunkRanges ahead =
        index + 1 < task_.grid.count() ? ChunkRanges{{index + 1, task_.grid.count() - 1}} : ChunkRanges{};
    return source_.chunk(task_, index, ahead);
  }
  /// The chunk, with what was asked for delivered from another thread meanwhile.
  Fetched fetch_served(std::uint32_t index) {
    std::atomic<bool> done = false;
    std::thread network([&] {
      while (!done) {
        std::vector<std::uint32_t> now;
        {
          std::lock_guard lock(mutex_);
          now.swap(coming_);
        }
        for (const auto i : now) deliver(i);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    auto fetched = fetch(index);
    done = true;
    network.join();
    return fetched;
  }
  /// The chunk, with something else to do from the moment on that it was asked for.
  Fetched fetch_interrupted(std::uint32_t index) {
    std::thread other([this] {
      std::unique_lock lock(mutex_);
      asked_.wait(lock, [this] { return !questions_.empty(); });
      lock.unlock();
      source_.interrupt();
    });
    auto fetched = fetch(index);
    other.join();
    return fetched;
  }
  void ask(const std::string& payload) {
    std::lock_guard lock(mutex_);
    questions_.push_back(Json::parse(payload));
    asked_.notify_all();
    if (on_ask_) on_ask_(questions_.back());
  }

  std::mutex mutex_;
  std::condition_variable asked_;
  std::atomic<bool> interrupted_ = false;
  std::atomic<bool> connected_ = true;
  std::vector<Json> questions_;
  std::vector<std::uint32_t> coming_;
  std::function<void(const Json&)> on_ask_;
  Assignment task_;
  MqttSource source_{{[this] { return connected_.load(); }, [this](const std::string& payload) { ask(payload); }},
                     "secret",
                     interrupted_};
};

TEST_F(MqttSourceTest, AsksByTheWindowAndTakesEachOnce) {
  serve();
  for (std::uint32_t i = 0; i < 100; ++i) {
    const auto fetched = fetch_served(i);
    ASSERT_EQ(fetched.kind, Fetched::Kind::ok) << i << ": " << fetched.why;
    EXPECT_EQ(fetched.bytes, bytes(i));
    EXPECT_EQ(fetched.digest, firmware::sha256(bytes(i)));
    EXPECT_TRUE(i > 0 || fetched.rtt_ms > 0);
  }
  EXPECT_EQ(questions_[0], (Json{{"task_id", task_.id}, {"chunks", {{0, 31}}}, {"token", "secret"}}));
  EXPECT_LE(questions_.size(), 100 / (MqttSource::kWindow / 2) + 4);
  std::uint32_t next = 0;
  for (const auto& question : questions_) {
    for (const auto& range : question["chunks"]) {
      EXPECT_EQ(range[0], next) << "none twice";
      next = range[1].get<std::uint32_t>() + 1;
    }
  }
  EXPECT_EQ(next, 100u);
}

TEST_F(MqttSourceTest, KeepsToTheWindowInBytes) {
  begin(8, 400'000);
  serve();
  ASSERT_EQ(fetch_served(0).kind, Fetched::Kind::ok);
  EXPECT_EQ(questions_[0]["chunks"], (Json{{0, 1}}));
  begin(3, 2'000'000);
  ASSERT_EQ(fetch_served(0).kind, Fetched::Kind::ok);
  EXPECT_EQ(questions_.back()["chunks"], (Json{{0, 0}})) << "a larger one by itself";
}

TEST_F(MqttSourceTest, AsksAgainForWhatOthersOvertook) {
  serve({3, 4});
  for (std::uint32_t i = 0; i < 100; ++i) ASSERT_EQ(fetch_served(i).kind, Fetched::Kind::ok) << i;
  int asked_3 = 0;
  int asked_5 = 0;
  for (const auto& question : questions_) {
    for (const auto& range : question["chunks"]) {
      asked_3 += range[0] <= 3 && 3 <= range[1];
      asked_5 += range[0] <= 5 && 5 <= range[1];
    }
  }
  EXPECT_EQ(asked_3, 2);
  EXPECT_EQ(asked_5, 1);
}

TEST_F(MqttSourceTest, AChangeOfOrderIsNoLoss) {
  serve();
  std::thread network([&] {
    while (true) {
      std::lock_guard lock(mutex_);
      if (coming_.empty()) continue;
      std::swap(coming_[0], coming_[5]);
      for (const auto i : coming_) deliver(i);
      break;
    }
  });
  EXPECT_EQ(fetch(0).bytes, bytes(0));
  network.join();
  for (std::uint32_t i = 1; i < 15; ++i) EXPECT_EQ(fetch(i).kind, Fetched::Kind::ok);
  EXPECT_EQ(questions_.size(), 1u);
}

TEST_F(MqttSourceTest, GivesUpAfterSilenceAndAsksAnew) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(fetch(7).kind, Fetched::Kind::later);
  EXPECT_GE(std::chrono::steady_clock::now() - began, MqttSource::kPatience);
  EXPECT_EQ(questions_.size(), 1u);
  serve();
  EXPECT_EQ(fetch_served(7).kind, Fetched::Kind::ok);
  EXPECT_EQ(questions_.back()["chunks"][0][0], 7);
}

TEST_F(MqttSourceTest, TakesWhatComesAfterItGaveUp) {
  ASSERT_EQ(fetch(0).kind, Fetched::Kind::later);
  for (const std::uint32_t i : {0u, 31u}) EXPECT_TRUE(may_bring(i)) << i;
  EXPECT_FALSE(may_bring(32)) << "not asked for";
  auto other = task_;
  other.id = "OTA_20261122_000002";
  EXPECT_FALSE(source_.may_bring(other, 0, std::chrono::steady_clock::now()));
  EXPECT_FALSE(source_.may_bring_until(other, std::chrono::steady_clock::now()));
  EXPECT_FALSE(source_.take_any(other));
  EXPECT_FALSE(source_.take_any(task_));
  for (std::uint32_t i = 0; i < 32; ++i) deliver(i);
  for (std::uint32_t i = 0; i < 32; ++i) {
    const auto late = source_.take_any(task_);
    ASSERT_TRUE(late) << i;
    EXPECT_EQ(late->first, i);
    EXPECT_EQ(late->second.kind, Fetched::Kind::ok);
    EXPECT_EQ(late->second.bytes, bytes(i));
    EXPECT_FALSE(may_bring(i));
  }
  EXPECT_FALSE(source_.take_any(task_));
  EXPECT_EQ(questions_.size(), 1u);
}

TEST_F(MqttSourceTest, AfterSilenceAsksForOneToKnowWhetherTheOthersAreLost) {
  ASSERT_EQ(fetch(0).kind, Fetched::Kind::later);
  serve();
  // None of the window came and the one does: the others are asked for again, and no other twice.
  for (std::uint32_t i = 0; i < 32; ++i) ASSERT_EQ(fetch_served(i).kind, Fetched::Kind::ok) << i;
  ASSERT_GE(questions_.size(), 3u);
  EXPECT_EQ(questions_[0]["chunks"], (Json{{0, 31}}));
  EXPECT_EQ(questions_[1]["chunks"], (Json{{31, 31}})) << "what was asked for last";
  EXPECT_EQ(questions_[2]["chunks"][0], (Json{0, 30}));
}

TEST_F(MqttSourceTest, AsksForOneOnlyHoweverLongTheSilence) {
  ASSERT_EQ(fetch(0).kind, Fetched::Kind::later);
  ASSERT_EQ(fetch(0).kind, Fetched::Kind::later);
  ASSERT_EQ(fetch(0).kind, Fetched::Kind::later);
  EXPECT_EQ(questions_.size(), 2u);
  for (std::uint32_t i = 0; i < 32; ++i) deliver(i);
  serve();
  for (std::uint32_t i = 0; i < 100; ++i) ASSERT_EQ(fetch_served(i).kind, Fetched::Kind::ok) << i;
  EXPECT_EQ(questions_[2]["chunks"][0][0], 32) << "late ones are not asked for again";
}

TEST_F(MqttSourceTest, WithTheConnectionGoesWhatWasOnItsWay) {
  EXPECT_EQ(fetch_interrupted(0).kind, Fetched::Kind::aborted);
  EXPECT_TRUE(may_bring(0));
  source_.lost();
  EXPECT_FALSE(may_bring(0));
  EXPECT_FALSE(source_.may_bring_until(task_, std::chrono::steady_clock::now()));
  source_.resume();
  serve();
  EXPECT_EQ(fetch_served(0).kind, Fetched::Kind::ok);
  EXPECT_EQ(questions_[1]["chunks"], (Json{{31, 31}}));
  EXPECT_EQ(questions_[2]["chunks"][0], (Json{0, 30}));
}

TEST_F(MqttSourceTest, TakesWhatABrokerKeptOverABreak) {
  EXPECT_EQ(fetch_interrupted(0).kind, Fetched::Kind::aborted);
  source_.lost();
  source_.resume();
  on_ask_ = [this](const Json&) {
    for (std::uint32_t i = 0; i < 32; ++i) coming_.push_back(i);  // those of before
  };
  ASSERT_EQ(fetch_served(0).kind, Fetched::Kind::ok);
  serve();
  for (std::uint32_t i = 1; i < 100; ++i) ASSERT_EQ(fetch_served(i).kind, Fetched::Kind::ok) << i;
  EXPECT_EQ(questions_[1]["chunks"], (Json{{31, 31}}));
  EXPECT_EQ(questions_[2]["chunks"][0][0], 32);
}

TEST_F(MqttSourceTest, EndsWhenThereIsSomethingElseToDo) {
  EXPECT_EQ(fetch_interrupted(0).kind, Fetched::Kind::aborted);
  EXPECT_EQ(fetch(0).kind, Fetched::Kind::aborted) << "until it was looked at";
  source_.resume();
  serve();
  deliver(0);
  EXPECT_EQ(fetch_served(0).kind, Fetched::Kind::ok) << "what was asked for before still counts";
  connected_ = false;
  EXPECT_EQ(fetch(50).kind, Fetched::Kind::later);
  EXPECT_EQ(source_.manifest(task_).kind, Fetched::Kind::later);
}

TEST_F(MqttSourceTest, DropsWhatNobodyAskedFor) {
  deliver(0);  // before any task
  serve();
  ASSERT_EQ(fetch_served(0).kind, Fetched::Kind::ok);
  on_ask_ = nullptr;
  {
    std::lock_guard lock(mutex_);
    coming_.clear();
  }
  source_.resume();
  deliver(99);  // not in the window
  source_.deliver("OTA_20261122_000002", 40, std::string(544, 'x'));
  source_.deliver(task_.id, 40, std::string(543, 'x'));
  source_.deliver(task_.id, 4000, std::string(544, 'x'));
  source_.interrupt();
  EXPECT_EQ(fetch(40).kind, Fetched::Kind::aborted);
}

}  // namespace
}  // namespace ota::agent
