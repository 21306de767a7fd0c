#include "engine/transport_policy.hpp"

#include <algorithm>
#include <cmath>

#include "engine/task_service.hpp"

namespace ota::engine {
namespace {

constexpr Millis kBetweenLooks{1'000};   // at one link
constexpr Millis kThinkAgain{2'000};     // about a transport that brings nothing
constexpr Millis kAfterOrder{10'000};    // so long what comes may have been under way before
constexpr int kPartsOfStall = 3;         // a transport gets a third of the stall timeout
constexpr double kChunksOfPatience = 3;  // slow: the time of so many chunks is no stall
constexpr Millis kMostPatience = std::chrono::minutes{15};

}  // namespace

void TransportPolicy::note_trouble(const std::string& id, LinkTrouble trouble) {
  auto device = service_.registry.find(id);
  if (!device) return;
  device->quality.add(trouble, service_.now());
  device->quality.judge(device->link, service_.now());
  service_.rows.unit.put(*device);
}

Millis TransportPolicy::stall_time(const Task& task) const {
  const auto device = service_.registry.find(task.device);
  const Millis least = std::max<Millis>(std::chrono::seconds{service_.options().tasks.stall_timeout_s},
                                        device ? device->patience() : Millis{0});
  const auto* run = service_.runs.find(task.id.number);
  if (!run || run->rate <= 0) return least;
  const double needed = kChunksOfPatience * 1'000.0 * task.chunk_bytes / run->rate;
  const auto most = static_cast<double>(std::max(least, kMostPatience).count());
  return std::max(least, Millis{std::llround(std::min(needed, most))});
}

void TransportPolicy::note_link(const Task& task, Device& device, const TransferChange& change) {
  auto& run = service_.runs.of(task.id.number);
  auto& quality = device.quality;
  if (change.heard_mqtt) quality.mqtt_heard = service_.now();
  quality.see(change.line);
  // What the line itself says is better than how fast bytes were handed over.
  if (change.line.rate)
    run.rate = quality.rate.value_or(0);
  else if (change.rate > 0)
    run.rate = run.rate > 0 ? std::min(run.rate, change.rate) : change.rate;
  for (std::uint32_t i = 0; i < std::min(change.broken, 3u); ++i) quality.add(LinkTrouble::broken, service_.now());
  if (service_.now() - run.judged >= kBetweenLooks) {
    run.judged = service_.now();
    quality.judge(device.link, service_.now());
  }
  note_transport(device, run, change);
}

/// A device that changes over by itself knows best.
void TransportPolicy::note_transport(Device& device, TransferRun& run, const TransferChange& change) {
  if (change.fresh == 0 || !change.transport) return;
  auto& until = device.quality.mqtt_first_until;
  if (*change.transport == Transport::http) {
    if (until > Millis{0} && service_.now() - run.told >= kAfterOrder) until = Millis{0};
  } else if (until == Millis{0} && device.transport == Transport::http) {
    until = service_.now() + kMqttFirst;
  }
  run.mqtt_first_until = until;
}

void TransportPolicy::watch() {
  std::vector<std::int64_t> ripe;
  const Millis part = std::chrono::seconds{service_.options().tasks.stall_timeout_s} / kPartsOfStall;
  for (auto& [number, run] : service_.runs.all()) {
    const bool idle = service_.now() - std::max(run.moved, run.told) >= part;
    const bool over = run.mqtt_first_until > Millis{0} && service_.now() >= run.mqtt_first_until;
    if (!(idle || over || run.broken > 0) || service_.now() - run.looked < kThinkAgain) continue;
    run.looked = service_.now();
    ripe.push_back(number);
  }
  for (const auto number : ripe) {
    auto task = service_.lifecycle.load(number);
    if (!task || (task->state != TaskState::downloading && task->state != TaskState::offered)) continue;
    auto device = service_.registry.find(task->device);
    const auto& run = service_.runs.of(number);
    // A slow link's part is longer, as its stall is.
    const auto part_of_task = stall_time(*task) / kPartsOfStall;
    const auto wanted =
        device ? recommend(run, device->quality, service_.now(), part_of_task) : Recommend::as_before;
    if (wanted == Recommend::as_before || usable(*task, device).size() < 2) continue;
    const bool over = wanted == Recommend::http_first && service_.now() >= device->quality.mqtt_first_until;
    order(*task, *device, wanted, over ? "tried again" : run.broken > 0 ? "broken" : "stalled");
    service_.push(task->device, service_.replies.offer(*task));
  }
}

void TransportPolicy::order(Task& task, Device& device, Recommend wanted, const std::string& reason) {
  const bool mqtt = wanted == Recommend::mqtt_first;
  const auto transports = usable(task, device);
  auto& until = device.quality.mqtt_first_until;
  if (transports.size() < 2 || (mqtt ? until > service_.now() : until == Millis{0})) return;
  auto& run = service_.runs.of(task.id.number);
  run.mqtt_first_until = until = mqtt ? service_.now() + kMqttFirst : Millis{0};
  service_.rows.unit.put(device);
  run.told = service_.now();
  run.broken = 0;
  ++service_.stats.transport_orders;
  LogEntry entry;
  entry.kind = "transport";
  entry.by = "engine";
  entry.event = "recommended";
  entry.reason = reason;
  entry.transport = mqtt ? Transport::mqtt : Transport::http;
  service_.log(task, std::move(entry));
}

std::vector<Transport> TransportPolicy::usable(const Task& task, const std::optional<Device>& device) const {
  auto order = device ? device->transports : std::vector<Transport>{};
  if (order.empty()) order = {Transport::http, Transport::mqtt};
  if (task.chunk_bytes > kMaxMqttChunkBytes) std::erase(order, Transport::mqtt);
  if (order.empty()) order = {Transport::http};
  if (device && device->quality.mqtt_first_until > service_.now())
    std::stable_partition(order.begin(), order.end(), [](Transport t) { return t == Transport::mqtt; });
  return order;
}

}  // namespace ota::engine
