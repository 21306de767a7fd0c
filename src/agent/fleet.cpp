#include "agent/fleet.hpp"

#include <algorithm>
#include <utility>

namespace ota::agent {
namespace {

constexpr std::chrono::seconds kGrace{3};

}  // namespace

Result<std::unique_ptr<Fleet>> Fleet::create(const Shared& shared) {
  std::unique_ptr<Fleet> fleet(new Fleet(shared));
  for (const auto& id : device_ids(shared.options)) {
    auto state = StateDir::open(shared.options.state_dir, id);
    if (!state) return state.error();
    auto number = fleet->devices_.size();
    fleet->devices_.push_back(
        std::make_unique<Device>(shared, id, std::move(*state), [raw = fleet.get(), number] { raw->wake(number); }));
  }
  const MutexLock lock(fleet->mutex_);
  fleet->slots_.resize(fleet->devices_.size());
  return fleet;
}

void Fleet::start() {
  for (auto& device : devices_) device->start();
  const MutexLock lock(mutex_);
  for (std::size_t i = 0; i < slots_.size(); ++i) due_.insert({slots_[i].next, i});
  auto count = std::min<std::size_t>(static_cast<std::size_t>(shared_.options.workers), slots_.size());
  for (std::size_t i = 0; i < count; ++i) workers_.emplace_back([this] { work(); });
}

std::optional<int> Fleet::verdict() const {
  int worst = 0;
  for (const auto& device : devices_) {
    auto status = device->verdict();
    if (!status) return std::nullopt;
    worst = std::max(worst, *status);
  }
  return worst;
}

void Fleet::stop() {
  {
    const MutexLock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    changed_.notify_all();
  }
  for (auto& device : devices_) device->interrupt();
  for (auto& worker : workers_) worker.join();
  for (auto& device : devices_) device->stop(kGrace);
}

void Fleet::wake(std::size_t device) {
  const MutexLock lock(mutex_);
  auto& slot = slots_[device];
  if (slot.running) {
    slot.woken = true;
  } else if (due_.erase({slot.next, device}) > 0) {
    slot.next = {};
    due_.insert({slot.next, device});
    changed_.notify_one();
  }
}

void Fleet::work() {
  const MutexLock lock(mutex_);
  while (!stopping_) {
    if (due_.empty()) {
      changed_.wait(mutex_);
      continue;
    }
    auto [next, number] = *due_.begin();
    if (next > std::chrono::steady_clock::now()) {
      changed_.wait_until(mutex_, next);
      continue;
    }
    due_.erase(due_.begin());
    auto& slot = slots_[number];
    slot.running = true;
    slot.woken = false;
    Time again;
    {
      const MutexUnlock unlocked(mutex_);
      again = devices_[number]->step();
    }
    slot.running = false;
    slot.next = slot.woken ? Time{} : again;
    due_.insert({slot.next, number});
    changed_.notify_one();
  }
}

}  // namespace ota::agent
