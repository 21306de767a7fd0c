#include "agent/fleet.hpp"

#include <algorithm>

namespace ota::agent {
namespace {

constexpr std::chrono::seconds kGrace{3};

}  // namespace

Result<std::unique_ptr<Fleet>> Fleet::create(const Shared& shared) {
  std::unique_ptr<Fleet> fleet(new Fleet(shared));
  for (const auto& id : device_ids(shared.options)) {
    auto state = StateDir::open(shared.options.state_dir, id);
    if (!state) return state.error();
    auto number = fleet->slots_.size();
    Slot slot;
    slot.device = std::make_unique<Device>(shared, id, *state, [raw = fleet.get(), number] { raw->wake(number); });
    fleet->slots_.push_back(std::move(slot));
  }
  return fleet;
}

void Fleet::start() {
  for (auto& slot : slots_) slot.device->start();
  std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < slots_.size(); ++i) due_.insert({slots_[i].next, i});
  auto count = std::min<std::size_t>(static_cast<std::size_t>(shared_.options.workers), slots_.size());
  for (std::size_t i = 0; i < count; ++i) workers_.emplace_back([this] { work(); });
}

std::optional<int> Fleet::verdict() const {
  int worst = 0;
  for (const auto& slot : slots_) {
    auto status = slot.device->verdict();
    if (!status) return std::nullopt;
    worst = std::max(worst, *status);
  }
  return worst;
}

void Fleet::stop() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    changed_.notify_all();
  }
  for (auto& slot : slots_) slot.device->interrupt();
  for (auto& worker : workers_) worker.join();
  for (auto& slot : slots_) slot.device->stop(kGrace);
}

void Fleet::wake(std::size_t device) {
  std::lock_guard lock(mutex_);
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
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (due_.empty()) {
      changed_.wait(lock);
      continue;
    }
    auto [next, number] = *due_.begin();
    if (next > std::chrono::steady_clock::now()) {
      changed_.wait_until(lock, next);
      continue;
    }
    due_.erase(due_.begin());
    auto& slot = slots_[number];
    slot.running = true;
    slot.woken = false;
    lock.unlock();
    auto again = slot.device->step();
    lock.lock();
    slot.running = false;
    slot.next = slot.woken ? Time{} : again;
    due_.insert({slot.next, number});
    changed_.notify_one();
  }
}

}  // namespace ota::agent
