#include "ota/storage/slot_queue.hpp"

#include "storage/unit_rows.hpp"

namespace ota::storage {

void SlotQueue::hold(const std::string& device, const std::string& uplink, std::int64_t task) {
  auto& entry = unit_.impl_->device(device);
  if (!entry.row) return;
  entry.row->device.held_uplink = uplink;
  entry.row->held_task = uplink.empty() ? std::nullopt : std::optional{task};
  unit_.impl_->mark_changed(entry, device);
}

std::optional<std::int64_t> SlotQueue::ready_of(const std::string& device) {
  const auto& entry = unit_.impl_->device(device);
  return entry.row ? entry.row->ready_task : std::nullopt;
}

void SlotQueue::set_ready(const std::string& device, std::optional<std::int64_t> task) {
  auto& entry = unit_.impl_->device(device);
  if (!entry.row || entry.row->ready_task == task) return;
  entry.row->ready_task = task;
  unit_.impl_->mark_changed(entry, device);
}

std::int64_t SlotQueue::slots_held() {
  auto& rows = *unit_.impl_;
  if (!rows.slots) {
    unit_.flush();
    rows.slots = rows.slots_held.value(&Rows::integer).value_or(0);
  }
  return *rows.slots;
}

bool SlotQueue::is_empty() {
  auto& rows = *unit_.impl_;
  if (rows.ready > 0) return false;
  // Where others were ready they may have left since: most often there were none.
  if (!rows.ready_before || *rows.ready_before) {
    unit_.flush();
    rows.ready_before = rows.ready_any.rows().next();
  }
  return !*rows.ready_before;
}

std::uint64_t SlotQueue::version() const { return unit_.impl_->version; }

}  // namespace ota::storage
