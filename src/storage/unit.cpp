#include "ota/storage/unit.hpp"

#include <algorithm>
#include <utility>

#include "ota/domain/version.hpp"
#include "storage/unit_rows.hpp"

namespace ota::storage {
namespace {

template <class T>
void drop_duplicates(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

Unit::Unit(Database& db) : impl_(std::make_unique<Impl>(db)) {}
Unit::~Unit() = default;

void Unit::read(const Wanted& wanted) {
  auto& u = *impl_;
  auto ids = wanted.devices;
  auto numbers = wanted.tasks;
  drop_duplicates(numbers);
  std::erase_if(numbers, [&](const auto number) { return u.tasks.contains(number); });
  if (!numbers.empty()) u.read_tasks(numbers);
  for (const auto number : wanted.tasks)
    if (const auto found = u.tasks.find(number); found != u.tasks.end()) ids.push_back(found->second.row.device);
  drop_duplicates(ids);
  auto without_tasks = ids;
  std::erase_if(ids, [&](const auto& id) { return u.devices[id].read; });
  std::erase_if(without_tasks, [&](const auto& id) { return u.devices[id].has_tasks; });
  if (!ids.empty()) u.read_devices(ids);
  if (!without_tasks.empty()) u.read_open_tasks(without_tasks);
  u.read_bitmaps();
  u.read_answers(wanted.keys);
}

void Unit::flush() {
  impl_->write_tasks();
  impl_->write_devices();
  impl_->write_log();
  impl_->counters.write();
}

void Unit::discard() {
  impl_->forget();
  impl_->moved_rollouts.clear();
}

std::optional<Device> Unit::device(const std::string& id) {
  const auto& entry = impl_->device(id);
  if (entry.bad) throw *entry.bad;
  return entry.row ? std::optional{entry.row->device} : std::nullopt;
}

void Unit::put(const Device& device) {
  auto& entry = impl_->device(device.id);
  if (!entry.row) {
    entry.row.emplace();
    entry.is_new = true;
  }
  entry.keys_changed |= changed_keys(entry.row->device, device);
  if (entry.row->device.tags != device.tags) entry.tags_changed = true;
  if (entry.row->device.attributes != device.attributes) entry.attributes_changed = true;
  auto uplink = std::move(entry.row->device.held_uplink);
  entry.row->device = device;
  entry.row->device.held_uplink = std::move(uplink);
  impl_->mark_changed(entry, device.id);
}

void Unit::remove_device(const std::string& id) {
  flush();
  impl_->counters.leave_device(id);
  impl_->counters.write();
  impl_->remove_device.run(id);
  impl_->device_tags.remove(id);
  impl_->device_attributes.remove(id);
  auto& entry = impl_->devices[id];
  entry.row.reset();
  entry.counted.reset();
  entry.bad.reset();
  entry.read = true;
}

std::optional<Task> Unit::task(std::int64_t number) {
  const auto* entry = impl_->task(number);
  return entry ? std::optional{entry->row} : std::nullopt;
}

std::optional<Task> Unit::active_of(const std::string& device) {
  const auto& entry = impl_->with_tasks(device);
  for (const auto number : entry.tasks)
    if (const auto& task = impl_->tasks.at(number).row; is_active(task.state)) return task;
  if (entry.bad_active) throw *entry.bad_active;
  return {};
}

std::optional<Task> Unit::open_of(const std::string& device, const std::string& version) {
  for (const auto number : impl_->with_tasks(device).tasks) {
    const auto& task = impl_->tasks.at(number).row;
    if (kOpen.contains(task.state) && same_version(task.version, version)) return task;
  }
  return {};
}

std::vector<Task> Unit::queued_of(const std::string& device, int limit) {
  std::vector<Task> queued;
  for (const auto number : impl_->with_tasks(device).tasks)
    if (const auto& task = impl_->tasks.at(number).row; task.state == TaskState::queued) queued.push_back(task);
  std::sort(queued.begin(), queued.end(), [](const Task& x, const Task& y) {
    return std::pair{x.priority, x.id.number} < std::pair{y.priority, y.id.number};
  });
  if (queued.size() > static_cast<std::size_t>(limit)) queued.resize(static_cast<std::size_t>(limit));
  return queued;
}

void Unit::insert(Task& task) {
  impl_->with_tasks(task.device);
  task.id.number = impl_->next_number();
  auto& entry = impl_->keep(task);
  entry.is_new = true;
  entry.counted.reset();
  entry.row.bucket_since = task.created;
  impl_->follow({}, membership(entry.row));
  impl_->mark_changed(entry);
}

void Unit::put(const Task& task) {
  if (auto* entry = impl_->task(task.id.number)) impl_->change(*entry, task);
}

void Unit::remove_task(std::int64_t number) {
  flush();
  impl_->counters.leave_task(number);
  impl_->counters.write();
  impl_->drop_bitmap.run(number);
  impl_->remove_task.run(number);
  impl_->forget();
}

void Unit::remove_tasks_of(const std::string& device) {
  flush();
  impl_->counters.leave_tasks_of(device);
  impl_->counters.write();
  impl_->remove_logs.run(device);
  impl_->remove_bitmaps.run(device);
  impl_->remove_tasks.run(device);
  impl_->forget();
}

ChunkBitmap Unit::chunks(const Task& task) {
  const auto count = task.grid().count();
  auto* entry = impl_->task(task.id.number);
  if (!entry) return ChunkBitmap{count};
  if (!entry->bitmap && entry->has_bitmap)
    if (const auto bytes = impl_->bitmap.value(&Rows::blob, task.id.number)) entry->bitmap.emplace(count, *bytes);
  if (!entry->bitmap) return ChunkBitmap{count};
  return entry->bitmap->count() == count ? *entry->bitmap : ChunkBitmap{count, entry->bitmap->bytes()};
}

void Unit::put_chunks(const Task& task, const ChunkBitmap& bitmap) {
  auto* entry = impl_->task(task.id.number);
  if (!entry) return;
  entry->bitmap = bitmap;
  entry->bitmap_changed = true;
  impl_->mark_changed(*entry);
}

void Unit::add(LogEntry entry) { impl_->log.push_back(std::move(entry)); }

std::optional<AnsweredOrder> Unit::answered(const std::string& key) {
  const auto found = impl_->answers.find(key);
  if (found != impl_->answers.end()) return found->second;
  return impl_->answers.emplace(key, impl_->keys.answered(key)).first->second;
}

void Unit::remember(const std::string& key, const AnsweredOrder& answer) {
  impl_->keys.remember(key, answer);
  impl_->answers[key] = answer;
}

const RolloutCounts& Unit::counts(std::int64_t rollout) {
  const auto found = impl_->counts.find(rollout);
  if (found != impl_->counts.end()) return found->second;
  flush();
  return impl_->counts[rollout] = read_rollout_counts(impl_->rollout_counts.rows(rollout), rollout);
}

std::vector<std::int64_t> Unit::take_moved() {
  const auto moved = std::exchange(impl_->moved_rollouts, {});
  return {moved.begin(), moved.end()};
}

std::optional<Task> Unit::member(std::int64_t rollout, const std::string& device) {
  // Its task is open mostly, and then in memory; one that ended may have changed there since.
  for (const auto number : impl_->with_tasks(device).tasks)
    if (const auto& task = impl_->tasks.at(number).row; task.rollout == rollout) return task;
  flush();
  const auto row = first_row(impl_->member.rows(rollout, device), "tasks", read_task);
  return row ? std::optional{impl_->keep(*row).row} : std::nullopt;
}

}  // namespace ota::storage
