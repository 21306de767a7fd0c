// At least 100,000 random steps of fleets under rollouts. Another run: OTAD_FLEET_SEED=… OTAD_FLEET_STEPS=… (of all
// histories), OTAD_FLEET_STORY=… (steps shown at a failure).
#include <cstdlib>

#include "ota/base/log.hpp"
#include "unit/engine/fleet_history.hpp"

namespace ota::engine::fleet {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(FleetHistory, RolloutsKeepTheirPromises) {
  const auto first = number_from("OTAD_FLEET_SEED", 1);
  const auto total = static_cast<std::int64_t>(number_from("OTAD_FLEET_STEPS", 100'000));
  ASSERT_TRUE(log::configure(log::Level::off, {}, log::Format::text));
  constexpr int kStepsEach = 1'000;
  std::map<std::string, std::int64_t> seen;
  std::int64_t done = 0;
  for (auto seed = first; done < total; ++seed) {
    FleetHistory history;
    history.story_length = number_from("OTAD_FLEET_STORY", 40);
    bool right = false;
    try {
      right = history.run(seed, kStepsEach);
    } catch (const std::exception& e) {
      history.faults.push_back(std::string("thrown: ") + e.what());
    }
    done += history.steps_done;
    for (const auto& [event, count] : history.seen) seen[event] += count;
    if (right) continue;
    std::string text;
    for (const auto& line : history.story) text += "  " + line + "\n";
    for (const auto& fault : history.faults) text += "FAULT " + fault + "\n";
    FAIL() << "OTAD_FLEET_SEED=" << seed << " after " << history.steps_done << " steps\n" << text;
  }
  ASSERT_TRUE(log::configure(log::Level::info, {}, log::Format::text));
  std::string figures;
  for (const auto& [event, count] : seen) figures += " " + event + " " + std::to_string(count);
  RecordProperty("steps", std::to_string(done));
  std::printf("%lld steps:%s\n", static_cast<long long>(done), figures.c_str());
}

}  // namespace
}  // namespace ota::engine::fleet
