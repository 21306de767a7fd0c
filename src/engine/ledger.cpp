#include "engine/ledger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "ota/base/log.hpp"
#include "ota/domain/backoff.hpp"
#include "ota/domain/download_allowance.hpp"
#include "ota/domain/version.hpp"

namespace ota::engine {
namespace {

constexpr const char* kTimelineKey = "timeline_ms";
constexpr int kMaxQueuedOfDevice = 1'000;
constexpr int kMismatchesOfAttempt = 3;
constexpr std::size_t kMaxMismatchedChunks = 1'024;  // counted for a task; more spend the attempt at once
constexpr Millis kConfirmGrace{60'000};              // after a start, for devices that came back meanwhile
constexpr auto kKeepAnswers = std::chrono::hours{24};
constexpr int kPruneAtOnce = 1'000;

Millis last_timeline(storage::Keys& keys) {
  const auto text = keys.value(kTimelineKey).value_or("0");
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc{} || value < 0)
    log::error("the database's timeline_ms can't be read and starts afresh: " + text);
  return Millis{read.ec == std::errc{} ? std::max<std::int64_t>(value, 0) : 0};
}

/// One line for how a task ended.
std::string end_line(const Task& task) {
  auto line = fmt::format("device={} task={} {}", task.device, task.id.str(), to_string(task.state));
  if (!task.reason.empty() && task.state != TaskState::succeeded) line += ": " + task.reason;
  if (!task.detail.empty() && task.state != TaskState::succeeded) line += " (the device: " + task.detail + ")";
  if (task.state == TaskState::succeeded && !task.confirmed) line += ", not confirmed by the device";
  return line + fmt::format(" ({} -> {}, {} bytes sent, attempt {} of {})",
                            task.from_version.empty() ? "unknown" : task.from_version, task.version, task.bytes_sent,
                            task.attempt, task.max_attempts);
}

}  // namespace

Ledger::Ledger(storage::Database& db, const Options& options, const Clock& clock, Random& random, TransferBoard& board,
               Images& images, Courier& courier, std::function<void(std::function<void(Ledger&)>)> later)
    : tasks(db),
      devices(db),
      firmware(db),
      transfer_log(db),
      keys(db),
      audit_log(db),
      options_(options),
      clock_(clock),
      random_(random),
      board_(board),
      images_(images),
      courier_(courier),
      later_(std::move(later)),
      timeline_(clock, last_timeline(keys)) {
  set_clock();
}

void Ledger::set_clock() {
  wall_ = clock_.wall();
  now_ = timeline_.now();
}

void Ledger::write_down() {
  write_device();
  tasks.write_down();
}

void Ledger::write_device() {
  if (std::exchange(device_unwritten_, false)) devices.save(*device_);
}

void Ledger::forget() {
  device_.reset();
  device_unwritten_ = false;
  tasks.forget();
}

void Ledger::push(const std::string& device, Answer answer) {
  after_commit([this, device, answer = std::move(answer)] { courier_.push(device, answer); });
}

std::optional<Task> Ledger::load(std::int64_t number) {
  std::optional<Task> task;
  try {
    task = tasks.find(number);
  } catch (const storage::BadRow&) {
    board_.close(number);  // named by the storage; what the board knows of it can be written nowhere
    return {};
  }
  if (task) catch_up(*task);
  return task;
}

std::optional<Task> Ledger::load_active(const std::string& device) {
  auto task = tasks.active_of(device);
  if (task) catch_up(*task);
  return task;
}

std::optional<Device> Ledger::find_device(const std::string& id) {
  if (device_ && device_->id == id) return device_;
  std::optional<Device> device;
  try {
    device = devices.find(id);
  } catch (const storage::BadRow&) {
    return {};  // named by the storage; nobody else is stopped by it
  }
  if (device) {
    write_device();
    device_ = device;
  }
  return device;
}

Result<void> Ledger::check_readable(const std::string& id) {
  try {
    devices.find(id);
    return {};
  } catch (const storage::BadRow& e) {
    return fail(Errc::server_fault, e.what());
  }
}

void Ledger::save(const Device& device) {
  if (device_ && device_->id != device.id) write_device();
  device_ = device;
  device_unwritten_ = true;
}

void Ledger::remove_device(const std::string& id) {
  write_device();
  device_.reset();
  devices.remove(id);
}

void Ledger::save(Task& task) {
  task.updated = wall_;
  tasks.update(task);
}

void Ledger::log(const Task& task, LogEntry entry) {
  // What a device can bring about again and again.
  const bool may_repeat = entry.kind == "device" || entry.kind == "mismatch" ||
                          (task.offered && wall_ - *task.offered > std::chrono::hours{1});
  if (task.unasked && may_repeat && transfer_log.has_lines(task.id.number, kLinesOfStranger)) return;
  entry.task = task.id.number;
  entry.at = wall_;
  entry.attempt = task.attempt;
  transfer_log.add(entry);
}

void Ledger::audit(AuditEntry entry) {
  entry.at = wall_;
  audit_log.add(entry);
}

Task& Ledger::insert(Task& task, const std::string& actor) {
  task.id.day = [&] {
    const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(wall_)};
    return static_cast<int>(date.year()) * 10'000 + static_cast<int>(static_cast<unsigned>(date.month())) * 100 +
           static_cast<int>(static_cast<unsigned>(date.day()));
  }();
  task.created = task.updated = wall_;
  task.created_by = actor;
  task.queued_at_tl = now_;
  task.max_attempts = options_.tasks.max_attempts;
  if (task.not_before && *task.not_before > wall_) task.wait_due = timeline_.at(*task.not_before);
  if (const auto life = options_.tasks.default_expiry_s; life > 0 && !task.expires_at)
    task.expires_at = std::max(task.not_before.value_or(wall_), wall_) + std::chrono::seconds{life};
  if (task.expires_at) task.expiry_due = timeline_.at(*task.expires_at);
  tasks.insert(task);
  LogEntry entry;
  entry.kind = "created";
  entry.by = actor;
  entry.to = TaskState::queued;
  log(task, std::move(entry));
  ++stats.tasks_created;
  // Made ready now, the digests are there when the device asks.
  if (!images_.missing(task.checksum) && !images_.find(task.checksum, task.chunk_bytes))
    with_grid(task, [](Ledger&, bool) {});
  touch(task.device);
  return task;
}

void Ledger::arm(Task& task) {
  using std::chrono::seconds;
  const auto& times = options_.tasks;
  task.state_due.reset();
  switch (task.state) {
    case TaskState::offered:
      task.state_due = now_ + seconds{times.offer_timeout_s};
      break;
    case TaskState::downloading:
      task.state_due = now_ + stall_time(task);
      break;
    case TaskState::retry_wait:
      task.state_due = std::max(task.retry_due.value_or(now_), now_) + stall_time(task);
      break;
    case TaskState::installing:
      task.state_due = now_ + seconds{times.confirm_timeout_s};
      break;
    default:
      break;
  }
}

Result<void> Ledger::change(Task& task, TaskEvent event, const Actor& by, const std::string& reason) {
  const auto from = task.state;
  const auto to = next_state(from, event, by.cause);
  if (!to)
    return fail(Errc::wrong_state, fmt::format("task {} of device {} is {}: {} is not possible now", task.id.str(),
                                               task.device, to_string(from), to_string(event)));
  task.state = *to;
  if (!reason.empty()) task.reason = reason;
  if (from != *to || event != TaskEvent::chunk) {
    if (*to != TaskState::downloading) close_run(task);
    LogEntry entry;
    entry.kind = "state";
    entry.by = by.name;
    entry.from = from;
    entry.to = *to;
    entry.event = to_string(event);
    entry.reason = reason;
    if (*to == TaskState::failed || *to == TaskState::retry_wait) entry.detail = task.detail;
    entry.bytes = task.bytes_sent;
    log(task, std::move(entry));
  }
  task.stalls = 0;
  task.heard = false;
  arm(task);

  if (holds_slot(from) != holds_slot(*to)) {
    slots_ += holds_slot(*to) ? 1 : -1;
    if (holds_slot(*to)) {
      begin_run(task);
    } else {
      end_run(task);
      mismatches_.erase(task.id.number);
    }
  }
  if (*to == TaskState::installing)
    task.confirm_by =
        std::chrono::floor<std::chrono::seconds>(wall_) + std::chrono::seconds{options_.tasks.confirm_timeout_s};
  if (is_ended(*to)) {
    task.ended = wall_;
    task.retry_due.reset();
    task.wait_due.reset();
    task.expiry_due.reset();
    tasks.save_chunks(task, {});
    if (*to == TaskState::succeeded) ++stats.tasks_succeeded;
    if (*to == TaskState::failed) ++stats.tasks_failed;
    after_commit(
        [line = end_line(task), failed = *to == TaskState::failed] { failed ? log::warn(line) : log::info(line); });
  }
  save(task);
  // Which of its tasks is next is another matter only where one enters or leaves; who is granted was the next.
  const bool goes_on = is_active(*to) && (is_active(from) || event == TaskEvent::grant);
  if (from != *to && !goes_on) touch(task.device);
  return {};
}

void Ledger::show(const Task& task, const std::optional<Device>& device, ChunkBitmap have) {
  Transfer transfer;
  transfer.task = task.id;
  transfer.device = task.device;
  transfer.image = task.checksum;
  transfer.chunk_bytes = task.chunk_bytes;
  transfer.must_prove = options_.devices.token_required || (device && device->secret);
  if (device) transfer.secret = device->secret;
  transfer.have = std::move(have);
  transfer.bytes_sent = task.bytes_sent;
  transfer.allowance = download_allowance(task);
  transfer.percent = task.percent;
  transfer.priority = task.priority;
  if (const auto image = firmware.find(task.firmware_id)) transfer.signature = image->signature;
  board_.open(std::move(transfer));
}

void Ledger::set_chunks(Task& task, const ChunkBitmap& bitmap) {
  task.chunks_have = bitmap.have();
  tasks.save_chunks(task, bitmap);
  board_.replace_chunks(task.id.number, bitmap, task.chunk_bytes);
  if (auto run = runs_.find(task.id.number); run != runs_.end()) run->second.had = bitmap;
}

Answer Ledger::spend_attempt(Task& task, const Actor& by, const std::string& reason) {
  mismatches_.erase(task.id.number);
  if (task.attempt >= task.max_attempts) {
    if (auto done = change(task, TaskEvent::attempts_used_up, by, reason); !done)
      return ErrorAnswer{done.error(), task.id};
    return FailedAnswer{task.id, reason, task.attempt};
  }
  ++task.attempt;
  board_.set_allowance(task.id.number, download_allowance(task));
  ++stats.retries;
  task.percent = 0;  // an attempt begins at its beginning
  board_.set_percent(task.id.number, 0);
  shrink_grid(task);
  const Backoff backoff{std::chrono::seconds{options_.tasks.retry_backoff_s},
                        std::chrono::seconds{options_.tasks.retry_backoff_max_s}};
  task.retry_due = now_ + backoff.wait(static_cast<unsigned>(task.attempt - 2), random_.unit());
  if (auto done = change(task, TaskEvent::attempt_spent, by, reason); !done) return ErrorAnswer{done.error(), task.id};
  return retry_answer(task, reason);
}

void Ledger::supersede_up_to(const std::string& device, const std::string& version) {
  for (auto& other : tasks.queued_of(device, kMaxQueuedOfDevice)) {
    if (other.overrides_version() || newer_version(other.version, version)) continue;
    if (!change(other, TaskEvent::supersede, by_engine(), "superseded")) continue;
    if (other.offered) push(device, CancelAnswer{other.id, CancelReason::superseded});
  }
}

bool Ledger::third_mismatch(std::int64_t task, const ChunkRanges& ranges) {
  auto& counts = mismatches_[task];
  bool third = false;
  for (const auto& range : ranges)
    for (auto chunk = range.first; chunk <= range.last; ++chunk) {
      if (counts.size() >= kMaxMismatchedChunks && !counts.contains(chunk)) return true;
      third |= ++counts[chunk] >= kMismatchesOfAttempt;
    }
  return third;
}

void Ledger::resync() {
  touched_.clear();
  awaited_.clear();
  // What is decided again must not count twice against a device.
  mismatches_.clear();
  for (auto& [task, run] : runs_) run.lost = 0;
  count_damaged();
  uplinks_.clear();
  slots_ = tasks.slots_held();
  std::vector<std::int64_t> holders;
  for (const auto& task : tasks.all_active()) {
    if (!holds_slot(task.state)) continue;
    holders.push_back(task.id.number);
    if (!board_.active(task.id.number)) {
      begin_run(task);
    } else if (!runs_.contains(task.id.number)) {
      note_new_run(task, find_device(task.device), chunks(task));  // the board outlives a ledger that is opened afresh
    } else if (const auto& uplink = runs_[task.id.number].uplink; !uplink.empty()) {
      ++uplinks_[uplink];
    }
  }
  board_.keep_only(holders);
  std::erase_if(runs_, [this](const auto& item) { return !board_.active(item.first); });
}

void Ledger::resume_active() {
  withdraw_untrusted();
  for (auto& task : tasks.all_active()) {
    const auto due = task.state_due;
    arm(task);
    task.stalls = 0;  // what came in the last second may be forgotten: that is not the device's fault
    if (task.state == TaskState::installing) task.state_due = std::max(due.value_or(now_), now_ + kConfirmGrace);
    save(task);
    with_grid(task, [number = task.id.number](Ledger& ledger, bool) {
      const auto now = ledger.load(number);
      if (!now) return;
      if (now->state == TaskState::offered) ledger.push(now->device, ledger.offer(*now));
      if (now->state == TaskState::retry_wait) ledger.push(now->device, ledger.retry_answer(*now, now->reason));
    });
  }
}

void Ledger::keep_time() { keys.set_value(kTimelineKey, std::to_string(now_.count())); }

void Ledger::count_damaged() {
  const auto all = firmware.all();
  stats.damaged =
      static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto& f) { return f.damaged; }));
}

bool Ledger::housekeeping() {
  keep_time();
  const auto old = wall_ - std::chrono::days{options_.keep_logs_days};
  const int most = std::max({keys.forget_answers(wall_ - kKeepAnswers, kPruneAtOnce),
                             transfer_log.prune(old, kPruneAtOnce), audit_log.prune(old, kPruneAtOnce)});
  const bool more_tasks = prune_tasks();
  const bool more_strangers = forget_strangers();
  return most >= kPruneAtOnce || more_tasks || more_strangers;
}

bool Ledger::prune_tasks() {
  const auto old = wall_ - std::chrono::days{options_.tasks.keep_days};
  const auto oldest = tasks.oldest(pruned_up_to_, kPruneAtOnce);
  int left = kPruneAtOnce;
  for (const auto& task : oldest) {
    if (task.created >= old) break;  // and so are all after it
    if (task.ended && *task.ended < old) {
      left -= transfer_log.remove_of(task.number, left);
      if (left <= 0) return true;
      tasks.remove(task.number);
    }
    pruned_up_to_ = task.number;
  }
  const bool more = oldest.size() == kPruneAtOnce && pruned_up_to_ == oldest.back().number;
  if (!more) pruned_up_to_ = 0;
  return more;
}

}  // namespace ota::engine
