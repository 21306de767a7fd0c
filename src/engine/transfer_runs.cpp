#include "engine/transfer_runs.hpp"

#include "engine/task_service.hpp"
#include "ota/domain/download_allowance.hpp"

namespace ota::engine {
namespace {

constexpr int kPlacesOfPoorUplink = 2;  // slots at a time for devices with poor links behind one

}  // namespace

void TransferRuns::register_transfer(const Task& task, const std::optional<Device>& device, ChunkBitmap have) {
  Transfer transfer;
  transfer.task = task.id;
  transfer.device = task.device;
  transfer.image = task.checksum;
  transfer.chunk_bytes = task.chunk_bytes;
  transfer.must_prove = service_.options().devices.token_required || (device && device->secret);
  if (device) transfer.secret = device->secret;
  transfer.have = std::move(have);
  transfer.bytes_sent = task.bytes_sent;
  transfer.allowance = download_allowance(task);
  transfer.percent = task.percent;
  transfer.priority = task.priority;
  transfer.firmware = task.firmware_id;
  if (const auto firmware = storage::if_readable([&] { return service_.rows.firmware.find(task.firmware_id); })) {
    transfer.signature = firmware->signature;
    if (firmware->file) transfer.filename = firmware->file->name;
  }
  service_.transfers().open(std::move(transfer));
}

bool TransferRuns::uplink_is_full(const Device& device) {
  if (device.quality.verdict != LinkVerdict::poor || device.uplink().empty()) return false;
  return service_.rows.tasks().holders_at(device.uplink()) >= kPlacesOfPoorUplink;
}

std::string TransferRuns::uplink_of(const std::string& id) {
  const auto device = service_.registry.find(id);
  return device && device->quality.verdict == LinkVerdict::poor ? device->uplink() : std::string{};
}

void TransferRuns::begin(const Task& task) {
  auto device = service_.registry.find(task.device);
  auto have = service_.rows.unit.chunks(task);
  adopt(task, device, have);
  register_transfer(task, device, std::move(have));
}

void TransferRuns::adopt(const Task& task, std::optional<Device> device, ChunkBitmap had) {
  TransferRun run;
  run.had = std::move(had);
  run.since = run.moved = run.told = service_.now();
  if (device) {
    auto& until = device->quality.mqtt_first_until;
    if (until > Millis{0} && until <= service_.now()) {
      until = Millis{0};
      service_.rows.unit.put(*device);
    }
    run.rate = device->quality.rate.value_or(0);
    run.mqtt_first_until = until;
  }
  runs_[task.id.number] = std::move(run);
}

void TransferRuns::end(const Task& task) {
  service_.transfers().close(task.id.number);
  runs_.erase(task.id.number);
}

TransferRun* TransferRuns::find(std::int64_t task) {
  const auto found = runs_.find(task);
  return found == runs_.end() ? nullptr : &found->second;
}

void TransferRuns::resync(const std::vector<Task>& holders) {
  // What is decided again must not count twice against a device.
  for (auto& [task, run] : runs_) run.lost = 0;
  auto& transfers = service_.transfers();
  std::vector<std::int64_t> numbers;
  for (const auto& task : holders) {
    numbers.push_back(task.id.number);
    if (!transfers.active(task.id.number)) {
      begin(task);
    } else if (!find(task.id.number)) {
      // The active transfers outlive a service that is opened afresh.
      adopt(task, service_.registry.find(task.device), service_.rows.unit.chunks(task));
    }
  }
  transfers.keep_only(numbers);
  std::erase_if(runs_, [&](const auto& item) { return !transfers.active(item.first); });
}

}  // namespace ota::engine
