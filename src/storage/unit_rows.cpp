#include "storage/unit_rows.hpp"

#include <utility>

#include "ota/base/text.hpp"

namespace ota::storage {
namespace {

bool is_ready(const Task& task) { return task.state == TaskState::queued && task.wait_reason == WaitReason::slot; }

void append_json(std::string& json, const std::string& text) { append_json_string(json, text); }
void append_json(std::string& json, std::int64_t number) { json += std::to_string(number); }

template <class T>
std::string array_of(const std::vector<T>& values) {
  std::string json = "[";
  for (const auto& value : values) {
    if (json.size() > 1) json += ',';
    append_json(json, value);
  }
  return json + ']';
}

}  // namespace

void Unit::Impl::read_devices(const std::vector<std::string>& ids) {
  const auto json = ids.size() > 1 ? array_of(ids) : std::string{};
  for (const auto& id : ids) devices[id].read = true;
  auto rows = ids.size() > 1 ? find_devices.rows(json) : find_device.rows(ids.front());
  while (rows.next()) {
    auto& entry = devices[rows.key()];
    try {
      entry.row = read_row(rows, "devices", read_device);
      entry.counted = counted_as(entry.row->device);
      auto& device = entry.row->device;
      if (entry.row->tagged) device.tags = device_tags.of(device.id);
      if (entry.row->attributed) device.attributes = device_attributes.of(device.id);
    } catch (const BadRow& e) {
      entry.bad = e;
    }
  }
}

void Unit::Impl::read_open_tasks(const std::vector<std::string>& ids) {
  const auto json = ids.size() > 1 ? array_of(ids) : std::string{};
  std::vector<BadRow> bad;
  {
    auto rows = ids.size() > 1 ? open_of_all.rows(json) : open_of.rows(ids.front());
    for (const auto& id : ids) devices[id].has_tasks = true;
    while (rows.next()) {
      try {
        keep(read_row(rows, "tasks", read_task));
      } catch (const BadRow& e) {
        bad.push_back(e);
      }
    }
  }
  for (const auto& row : bad) {
    const auto key = row.key();
    if (auto rows = active_owner.rows(key); rows.next()) devices[rows.key()].bad_active = row;
  }
}

void Unit::Impl::read_tasks(const std::vector<std::int64_t>& numbers) {
  const auto json = array_of(numbers);
  auto rows = find_tasks.rows(json);
  while (rows.next()) {
    try {
      keep(read_row(rows, "tasks", read_task));
    } catch (const BadRow&) {
      // Whoever asks for it is told.
    }
  }
}

void Unit::Impl::read_bitmaps() {
  std::vector<std::int64_t> numbers;
  for (const auto& [number, entry] : tasks)
    if (entry.has_bitmap && !entry.bitmap) numbers.push_back(number);
  if (numbers.size() < 2) return;
  const auto json = array_of(numbers);
  auto rows = bitmaps.rows(json);
  while (rows.next()) {
    auto& entry = tasks.at(rows.integer());
    entry.bitmap.emplace(entry.row.grid().count(), rows.blob());
  }
}

void Unit::Impl::read_answers(const std::vector<std::string>& wanted) {
  for (const auto& key : wanted) {
    try {
      if (!answers.contains(key)) answers.emplace(key, keys.answered(key));
    } catch (const BadRow&) {
      // Whoever asks for it gets the error.
    }
  }
}

Unit::Impl::TaskEntry& Unit::Impl::keep(Task task) {
  const auto number = task.id.number;
  const auto [found, fresh] = tasks.try_emplace(number);
  auto& entry = found->second;
  if (!fresh) return entry;
  if (is_ready(task)) ++ready;
  if (kOpen.contains(task.state)) {
    devices[task.device].tasks.push_back(number);
    entry.has_bitmap = task.chunks_have > 0;
  }
  entry.counted = counted_as(task);
  entry.row = std::move(task);
  return entry;
}

Unit::Impl::DeviceEntry& Unit::Impl::device(const std::string& id) {
  auto& entry = devices[id];
  if (!entry.read) read_devices({id});
  return entry;
}

Unit::Impl::DeviceEntry& Unit::Impl::with_tasks(const std::string& id) {
  auto& entry = devices[id];
  if (!entry.has_tasks) read_open_tasks({id});
  return entry;
}

Unit::Impl::TaskEntry* Unit::Impl::task(std::int64_t wanted) {
  if (const auto found = tasks.find(wanted); found != tasks.end()) return &found->second;
  auto row = first_row(find_task.rows(wanted), "tasks", read_task);
  return row ? &keep(std::move(*row)) : nullptr;
}

void Unit::Impl::mark_changed(TaskEntry& entry) {
  if (!std::exchange(entry.changed, true)) changed_tasks.push_back(entry.row.id.number);
}

void Unit::Impl::mark_changed(DeviceEntry& entry, const std::string& id) {
  if (!std::exchange(entry.changed, true)) changed_devices.push_back(id);
}

void Unit::Impl::change(TaskEntry& entry, const Task& task) {
  const auto& before = entry.row;
  const auto was = membership(before);
  const auto now = membership(task);
  follow(was, now);
  const int slot = static_cast<int>(holds_slot(task.state)) - static_cast<int>(holds_slot(before.state));
  const int queued = static_cast<int>(is_ready(task)) - static_cast<int>(is_ready(before));
  const bool ranked = is_ready(task) && (task.priority != before.priority || task.unasked != before.unasked);
  if (slots) *slots += slot;
  ready += queued;
  if (slot != 0 || queued != 0 || ranked) ++version;
  entry.row = task;
  if (now && (!was || was->bucket != now->bucket)) entry.row.bucket_since = task.updated;
  mark_changed(entry);
}

void Unit::Impl::follow(const std::optional<Membership>& before, const std::optional<Membership>& now) {
  if (before == now) return;
  const auto add = [this](const std::optional<Membership>& of, std::int64_t n) {
    if (!of) return;
    moved_rollouts.insert(of->rollout);
    if (const auto found = counts.find(of->rollout); found != counts.end()) found->second.add(*of, n);
  };
  add(before, -1);
  add(now, 1);
}

std::int64_t Unit::Impl::next_number() {
  if (!last_number) last_number = newest_number.value(&Rows::integer).value_or(0);
  return ++*last_number;
}

void Unit::Impl::write_tasks() {
  if (changed_tasks.empty()) return;
  // The schema lets a device have one active task: who leaves it goes first.
  for (const bool active : {false, true})
    for (const auto changed : changed_tasks) {
      auto& entry = tasks.at(changed);
      if (is_active(entry.row.state) == active) write_task(entry);
    }
  changed_tasks.clear();
}

void Unit::Impl::write_task(TaskEntry& entry) {
  entry.changed = false;
  if (std::exchange(entry.is_new, false)) {
    task_writer.insert(entry.row);
    sqlite_db.note_task();
  } else {
    task_writer.update(entry.row);
  }
  auto now = counted_as(entry.row);
  counters.move(entry.counted, now);
  entry.counted = std::move(now);
  if (std::exchange(entry.bitmap_changed, false)) write_bitmap(entry);
}

void Unit::Impl::write_bitmap(TaskEntry& entry) {
  const bool kept = entry.bitmap->have() > 0 && !is_ended(entry.row.state);
  if (kept)
    save_bitmap.run(entry.row.id.number, entry.bitmap->bytes());
  else if (entry.has_bitmap)
    drop_bitmap.run(entry.row.id.number);
  entry.has_bitmap = kept;
}

void Unit::Impl::write_devices() {
  for (const auto& id : changed_devices) {
    auto& entry = devices.at(id);
    if (!std::exchange(entry.changed, false) || !entry.row) continue;
    if (std::exchange(entry.is_new, false)) {
      if (entry.bad) counters.leave_device(id);
      entry.bad.reset();
      device_writer.insert(*entry.row);
    } else {
      device_writer.update(*entry.row, entry.keys_changed);
    }
    entry.keys_changed = {};
    auto now = counted_as(entry.row->device);
    counters.move(entry.counted, now);
    entry.counted = std::move(now);
    if (std::exchange(entry.tags_changed, false)) device_tags.replace(id, entry.row->device.tags);
    if (std::exchange(entry.attributes_changed, false)) device_attributes.replace(id, entry.row->device.attributes);
  }
  changed_devices.clear();
}

void Unit::Impl::write_log() {
  for (const auto& entry : log) transfer_log.add(entry);
  log.clear();
}

void Unit::Impl::forget() {
  devices.clear();
  tasks.clear();
  answers.clear();
  counts.clear();
  counters.forget();
  changed_devices.clear();
  changed_tasks.clear();
  log.clear();
  last_number.reset();
  slots.reset();
  ready = 0;
  ready_before.reset();
  ++version;
}

}  // namespace ota::storage
