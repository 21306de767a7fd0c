#include "storage/task_row.hpp"

#include <fmt/format.h>

#include "ota/domain/bucket.hpp"

namespace ota::storage {
namespace {

constexpr const char* kColumns =
    "number, day, device, firmware, version, hardware, checksum, size, chunk_bytes, priority, state, attempt, "
    "max_attempts, confirm, force, reason, from_version, created_by, retry_of, created, updated, offered, ended, "
    "not_before, expires_at, confirm_by, queued_at_tl, wait_due, expiry_due, state_due, retry_due, stalls, heard, "
    "parked, chunks_have, bytes_sent, percent, detail, confirmed, unasked, downgrade_key_id, downgrade_value, "
    "downgrade_device, downgrade_expires, wait_reason, slot_uplink, rollout, contact, staged_tl, passed_tl, "
    "postponed_until, overdue, reported, bucket_since";

std::optional<DowngradePermission> read_downgrade(Rows& r) {
  auto key_id = r.maybe(&Rows::text);
  auto value = r.maybe(&Rows::text).value_or("");
  auto device = r.maybe(&Rows::text).value_or("");
  auto expires = r.maybe(&Rows::text).value_or("");
  if (!key_id) return {};
  return DowngradePermission{std::move(device), std::move(expires), {std::move(*key_id), std::move(value)}};
}

std::optional<Millis> earliest_due(const Task& t) {
  if (is_ended(t.state)) return {};
  std::optional<Millis> due;
  // Verified already, its confirmation decides.
  const auto expiry = t.state == TaskState::installing ? std::nullopt : t.expiry_due;
  for (const auto& at : {t.wait_due, expiry, t.state_due})
    if (at && (!due || *at < *due)) due = at;
  return due;
}

std::optional<std::string> or_null(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional{text};
}

std::optional<std::int64_t> rollout_of(const Task& t) {
  return t.rollout == 0 ? std::nullopt : std::optional{t.rollout};
}

std::optional<Bucket> bucket(const Task& t) { return t.rollout == 0 ? std::nullopt : std::optional{bucket_of(t)}; }

}  // namespace

std::string select_tasks(const std::string& rest) { return fmt::format("SELECT {} FROM tasks {}", kColumns, rest); }

Task read_task(Rows& r) {
  Task t;
  t.id.number = r.integer();
  t.id.day = r.small();
  t.device = r.text();
  t.firmware_id = r.integer();
  t.version = r.text();
  t.hardware = r.text();
  t.checksum = r.digest();
  t.size = static_cast<std::uint64_t>(r.number(INT64_MAX));
  t.chunk_bytes = r.unsigned32();
  t.priority = r.word<Priority>();
  t.state = r.word<TaskState>();
  t.attempt = r.small();
  t.max_attempts = r.small();
  t.confirm = r.word<Confirm>();
  t.force = r.flag();
  t.reason = r.text();
  t.from_version = r.text();
  t.created_by = r.text();
  t.retry_of = r.integer();
  t.created = r.time();
  t.updated = r.time();
  t.offered = r.maybe(&Rows::time);
  t.ended = r.maybe(&Rows::time);
  t.not_before = r.maybe(&Rows::time);
  t.expires_at = r.maybe(&Rows::time);
  t.confirm_by = r.maybe(&Rows::time);
  t.queued_at_tl = r.millis();
  t.wait_due = r.maybe(&Rows::millis);
  t.expiry_due = r.maybe(&Rows::millis);
  t.state_due = r.maybe(&Rows::millis);
  t.retry_due = r.maybe(&Rows::millis);
  t.stalls = r.small();
  t.heard = r.flag();
  t.parked = r.flag();
  t.chunks_have = static_cast<std::uint32_t>(r.number(kMaxChunks));
  t.bytes_sent = static_cast<std::uint64_t>(r.number(INT64_MAX));
  t.percent = r.small();
  t.detail = r.text();
  t.confirmed = r.flag();
  t.unasked = r.flag();
  t.downgrade = read_downgrade(r);
  t.wait_reason = r.word<WaitReason>();
  t.slot_uplink = r.maybe(&Rows::text).value_or("");
  t.rollout = r.maybe(&Rows::integer).value_or(0);
  t.contact = r.word<ContactClass>();
  t.staged_tl = r.maybe(&Rows::millis);
  t.passed_tl = r.maybe(&Rows::millis);
  t.postponed_until = r.maybe(&Rows::time);
  t.overdue = r.flag();
  t.reported = r.flag();
  t.bucket_since = r.time();
  if (!DeviceId::parse(t.device)) throw BadValue("device is no device id");
  if (t.size == 0 || t.chunk_bytes == 0 || (t.size - 1) / t.chunk_bytes >= kMaxChunks)
    throw BadValue(fmt::format("size {} and chunk_bytes {} make no grid", t.size, t.chunk_bytes));
  return t;
}

TaskWriter::TaskWriter(SQLite::Database& db)
    : insert_(db, fmt::format("INSERT INTO tasks ({}, due, bucket, version_key) VALUES ({},?,?,version_key(?5))",
                              kColumns, marks(kColumns))),
      update_(db,
              "UPDATE tasks SET chunk_bytes=?2, priority=?3, state=?4, attempt=?5, reason=?6, from_version=?7, "
              "updated=?8, offered=?9, ended=?10, confirm_by=?11, wait_due=?12, expiry_due=?13, state_due=?14, "
              "retry_due=?15, due=?16, stalls=?17, heard=?18, parked=?19, chunks_have=?20, bytes_sent=?21, "
              "percent=?22, detail=?23, confirmed=?24, unasked=?25, wait_reason=?26, slot_uplink=?27, "
              "rollout=?28, contact=?29, staged_tl=?30, passed_tl=?31, postponed_until=?32, overdue=?33, reported=?34, "
              "bucket_since=?35, bucket=?36 "
              "WHERE number=?1") {}

void TaskWriter::insert(const Task& t) {
  std::optional<std::string> key_id, value, device, expires;
  if (const auto& permit = t.downgrade) {
    key_id = permit->signature.key_id;
    value = permit->signature.value;
    device = permit->device;
    expires = permit->expires;
  }
  insert_.run(t.id.number, t.id.day, t.device, t.firmware_id, t.version, t.hardware, t.checksum, t.size, t.chunk_bytes,
              t.priority, t.state, t.attempt, t.max_attempts, t.confirm, t.force, t.reason, t.from_version,
              t.created_by, t.retry_of, t.created, t.updated, t.offered, t.ended, t.not_before, t.expires_at,
              t.confirm_by, t.queued_at_tl, t.wait_due, t.expiry_due, t.state_due, t.retry_due, t.stalls, t.heard,
              t.parked, t.chunks_have, t.bytes_sent, t.percent, t.detail, t.confirmed, t.unasked, key_id, value, device,
              expires, t.wait_reason, or_null(t.slot_uplink), rollout_of(t), t.contact, t.staged_tl, t.passed_tl,
              t.postponed_until, t.overdue, t.reported, t.bucket_since, earliest_due(t), bucket(t));
}

void TaskWriter::update(const Task& t) {
  update_.run(t.id.number, t.chunk_bytes, t.priority, t.state, t.attempt, t.reason, t.from_version, t.updated,
              t.offered, t.ended, t.confirm_by, t.wait_due, t.expiry_due, t.state_due, t.retry_due, earliest_due(t),
              t.stalls, t.heard, t.parked, t.chunks_have, t.bytes_sent, t.percent, t.detail, t.confirmed, t.unasked,
              t.wait_reason, or_null(t.slot_uplink), rollout_of(t), t.contact, t.staged_tl, t.passed_tl,
              t.postponed_until, t.overdue, t.reported, t.bucket_since, bucket(t));
}

}  // namespace ota::storage
