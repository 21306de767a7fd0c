#include "engine/channels.hpp"

#include "engine/task_service.hpp"

namespace ota::engine {

void Channels::resync() {
  channels_.clear();
  for (auto& channel : service_.rows.fleet().channels()) channels_.emplace(channel.name, channel);
  targets_ = service_.rows.fleet().targets();
}

const Channel* Channels::find(const std::string& name) const {
  const auto found = channels_.find(name);
  return found == channels_.end() ? nullptr : &found->second;
}

void Channels::put(const Channel& channel) {
  service_.idle_polls().clear();
  service_.rows.fleet().put(channel);
  channels_[channel.name] = channel;
  service_.rollouts.mark_dirty_in(channel.name);
}

void Channels::remove(const std::string& name) {
  service_.idle_polls().clear();
  service_.rows.fleet().remove_channel(name);
  channels_.erase(name);
  std::erase_if(targets_, [&](const Target& target) { return target.channel == name; });
}

const Target* Channels::target_for(const Device& device) const {
  const Target* any = nullptr;
  for (const auto& target : targets_) {
    if (target.channel != device.channel) continue;
    if (target.hardware == device.hardware && !target.hardware.empty()) return &target;
    if (target.hardware.empty()) any = &target;
  }
  return any;
}

void Channels::put_target(const Target& target) {
  service_.idle_polls().clear();
  service_.rows.fleet().put(target);
  forget_target(target.channel, target.hardware);
  targets_.push_back(target);
}

bool Channels::remove_target(const std::string& channel, const std::string& hardware) {
  service_.idle_polls().clear();
  forget_target(channel, hardware);
  return service_.rows.fleet().remove_target(channel, hardware);
}

void Channels::forget_target(const std::string& channel, const std::string& hardware) {
  std::erase_if(targets_, [&](const Target& t) { return t.channel == channel && t.hardware == hardware; });
}

}  // namespace ota::engine
