#include "mqtt/barred_topics.hpp"

#include <algorithm>

namespace ota::mqtt {

std::chrono::seconds BarredTopics::bar(const std::string& topic, Time now) {
  std::erase_if(topics_, [&](const auto& item) { return item.second.until + kLongest < now; });
  if (topics_.size() >= kMaxTopics && !topics_.contains(topic))
    topics_.erase(std::min_element(topics_.begin(), topics_.end(),
                                   [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
  auto& pause = topics_.try_emplace(topic, Pause{now, std::chrono::seconds{0}}).first->second;
  pause.length = pause.length.count() == 0 ? kFirst : std::min(pause.length * 2, kLongest);
  pause.until = now + pause.length;
  return pause.length;
}

bool BarredTopics::bars(const std::string& topic, Time now) const {
  const auto found = topics_.find(topic);
  return found != topics_.end() && now < found->second.until;
}

}  // namespace ota::mqtt
