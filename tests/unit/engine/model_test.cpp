// At least 100,000 random steps beside the model. Another run: OTAD_MODEL_SEED=… OTAD_MODEL_STEPS=… (of all histories),
// OTAD_MODEL_STORY=… (steps shown at a failure).
#include <cstdlib>

#include "ota/base/log.hpp"
#include "unit/engine/model_driver.hpp"

namespace ota::engine::model {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Model, RandomHistoriesKeepThePromises) {
  const auto first = number_from("OTAD_MODEL_SEED", 1);
  const auto total = static_cast<std::int64_t>(number_from("OTAD_MODEL_STEPS", 100'000));
  ASSERT_TRUE(log::configure(log::Level::off, {}, log::Format::text));
  constexpr int kStepsEach = 1'000;
  std::map<std::string, std::int64_t> seen;
  std::int64_t done = 0;
  for (auto seed = first; done < total; ++seed) {
    History history;
    history.story_length = number_from("OTAD_MODEL_STORY", 40);
    const bool right = history.run(seed, kStepsEach);
    done += history.steps_done;
    for (const auto& [event, count] : history.seen) seen[event] += count;
    if (right) continue;
    std::string text;
    for (const auto& line : history.story) text += "  " + line + "\n";
    for (const auto& fault : history.faults) text += "FAULT " + fault + "\n";
    FAIL() << "OTAD_MODEL_SEED=" << seed << " after " << history.steps_done << " steps\n" << text;
  }
  ASSERT_TRUE(log::configure(log::Level::info, {}, log::Format::text));
  std::string figures;
  for (const auto& [event, count] : seen) figures += " " + event + " " + std::to_string(count);
  RecordProperty("steps", std::to_string(done));
  std::printf("%lld steps:%s\n", static_cast<long long>(done), figures.c_str());
  if (total < 20'000) return;
  const std::set never{TaskEvent::withdraw, TaskEvent::verified_held, TaskEvent::release, TaskEvent::postpone,
                       TaskEvent::device_lost};  // no history has keys or rollouts
  for (const auto& row : transitions()) {
    if (never.contains(row.event)) continue;
    EXPECT_TRUE(seen.contains(std::string(to_string(row.event)))) << to_string(row.event) << " never came";
  }
}

}  // namespace
}  // namespace ota::engine::model
