#include "ota/storage/event_log.hpp"

#include <algorithm>

#include "storage/query.hpp"
#include "storage/sqlite_tables.hpp"

namespace ota::storage {
namespace {

Event read(Rows& rows) {
  Event e;
  e.number = rows.integer();
  e.time = rows.time();
  e.type = rows.word<EventType>();
  e.subject = rows.text();
  e.channel = rows.text();
  e.device = rows.text();
  e.data = rows.text();
  return e;
}

class SqliteEventLog final : public EventLog {
 public:
  explicit SqliteEventLog(SQLite::Database& db) : db_(db) {}

  void add(Event& e) override {
    add_.run(e.time, e.type, e.subject, e.channel, e.device, e.data);
    e.number = db_.getLastInsertRowid();
  }

  int prune(WallTime before, int limit) override { return prune_.count(before, limit); }

  EventPage list(const EventFilter& filter, std::int64_t after, int limit) const override {
    const auto newest_now = newest();
    const auto from = std::max(after, oldest() - 1);
    const auto to = std::min(from > INT64_MAX - kLookedAt ? INT64_MAX : from + kLookedAt, newest_now);
    EventPage page;
    page.events = readable_rows(list_.rows(from, to, static_cast<std::int64_t>(filter.types.bits()), filter.channel,
                                           filter.device, limit),
                                "events", read);
    const bool full = page.events.size() == static_cast<std::size_t>(limit);
    page.last = full ? page.events.back().number : std::max(from, to);
    return page;
  }

  std::int64_t newest() const override { return newest_.value(&Rows::integer).value_or(0); }
  std::int64_t oldest() const override { return oldest_.value(&Rows::integer).value_or(newest() + 1); }

 private:
  SQLite::Database& db_;
  Query add_{db_, "INSERT INTO events (at, type, subject, channel, device, data) VALUES (?,?,?,?,?,?)"};
  // Numbers grow with time, so the oldest are at the front and no index over `at` is needed.
  Query prune_{db_,
               "DELETE FROM events WHERE number IN (SELECT number FROM events ORDER BY number LIMIT ?2) AND at<?1 "
               "RETURNING 1"};
  Query list_{db_,
              "SELECT number, at, type, subject, channel, device, data FROM events WHERE number>?1 AND number<=?2 AND "
              "(?3>>type)&1 AND (?4='' OR channel=?4) AND (?5='' OR device=?5) ORDER BY number LIMIT ?6"};
  Query newest_{db_, "SELECT seq FROM sqlite_sequence WHERE name='events'"};
  Query oldest_{db_, "SELECT MIN(number) FROM events"};
};

}  // namespace

std::unique_ptr<EventLog> make_event_log(SQLite::Database& db) { return std::make_unique<SqliteEventLog>(db); }

}  // namespace ota::storage
