#include "ota/storage/transfer_log.hpp"

#include <charconv>

#include "storage/query.hpp"
#include "storage/sqlite_database.hpp"

namespace ota::storage {
namespace {

std::string pack(const ChunkRanges& ranges) {
  std::string text;
  for (const auto& range : ranges) {
    if (!text.empty()) text += ',';
    text += std::to_string(range.first) + '-' + std::to_string(range.last);
  }
  return text;
}

ChunkRanges unpack(const std::string& text) {
  ChunkRanges ranges;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    ChunkRange range;
    auto first = std::from_chars(at, end, range.first);
    if (first.ec != std::errc{} || first.ptr == end) break;
    auto last = std::from_chars(first.ptr + 1, end, range.last);
    if (last.ec != std::errc{}) break;
    ranges.push_back(range);
    at = last.ptr + 1;
  }
  return ranges;
}

LogEntry read(Rows& rows) {
  LogEntry e;
  e.id = rows.integer();
  e.task = rows.integer();
  e.at = rows.time();
  e.kind = rows.text();
  e.by = rows.text();
  e.from = rows.maybe(&Rows::word<TaskState>);
  e.to = rows.maybe(&Rows::word<TaskState>);
  e.event = rows.text();
  e.reason = rows.text();
  e.attempt = rows.small();
  e.chunks = unpack(rows.text());
  e.bytes = static_cast<std::uint64_t>(rows.number(INT64_MAX));
  e.ms = rows.integer();
  e.transport = rows.maybe(&Rows::word<Transport>);
  e.detail = rows.text();
  return e;
}

}  // namespace

struct TransferLog::Statements {
  explicit Statements(SQLite::Database& d) : db(d) {}

  SQLite::Database& db;
  Query add{
      db,
      "INSERT INTO transfer_log (task, at, kind, by, from_state, to_state, event, reason, attempt, chunks, bytes, "
      "ms, transport, detail) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"};
  Query list{
      db,
      "SELECT id, task, at, kind, by, from_state, to_state, event, reason, attempt, chunks, bytes, ms, transport, "
      "detail FROM transfer_log WHERE task=? AND id>? ORDER BY id"};
  // Ids grow with time, so the oldest are at the front and no index over `at` is needed.
  Query prune{db,
              "DELETE FROM transfer_log WHERE id IN (SELECT id FROM transfer_log ORDER BY id LIMIT ?2) AND at<?1 "
              "RETURNING 1"};
  Query mismatches{db,
                   "SELECT chunks FROM transfer_log WHERE task=? AND attempt=? AND kind='mismatch' ORDER BY id"};
  Query line{db, "SELECT 1 FROM transfer_log WHERE task=? LIMIT 1 OFFSET ?"};
  Query remove_of{
      db, "DELETE FROM transfer_log WHERE id IN (SELECT id FROM transfer_log WHERE task=? LIMIT ?) RETURNING 1"};
};

TransferLog::TransferLog(Database& db) : q_(std::make_unique<Statements>(sqlite(db).handle())) {}
TransferLog::~TransferLog() = default;

void TransferLog::add(const LogEntry& e) {
  q_->add.run(e.task, e.at, e.kind, e.by, e.from, e.to, e.event, e.reason, e.attempt, pack(e.chunks), e.bytes, e.ms,
              e.transport, e.detail);
}

std::vector<LogEntry> TransferLog::list(std::int64_t task, std::int64_t after, int limit) {
  return readable_rows(q_->list.rows(task, after), "transfer_log", read, limit);
}

std::vector<ChunkRanges> TransferLog::mismatches(std::int64_t task, int attempt) {
  std::vector<ChunkRanges> found;
  auto rows = q_->mismatches.rows(task, attempt);
  while (rows.next()) found.push_back(unpack(rows.text()));
  return found;
}

bool TransferLog::has_lines(std::int64_t task, int count) { return q_->line.rows(task, count - 1).next(); }

int TransferLog::remove_of(std::int64_t task, int limit) { return q_->remove_of.count(task, limit); }

int TransferLog::prune(WallTime before, int limit) { return q_->prune.count(before, limit); }

}  // namespace ota::storage
