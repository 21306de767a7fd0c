#include "ota/storage/webhooks.hpp"

#include <string_view>

#include "ota/base/text.hpp"
#include "storage/query.hpp"
#include "storage/sqlite_tables.hpp"

namespace ota::storage {
namespace {

constexpr const char* kColumns =
    "url, types, channel, salt, old_salt, old_until, created, created_by, revision, cursor, enabled, "
    "disabled_reason, failures, next_at, failing_since, last_at, last_status, last_error";

std::string joined(const std::vector<std::string>& types) {
  std::string text;
  for (const auto& type : types) text += (text.empty() ? "" : ",") + type;
  return text;
}

Webhook read(Rows& r) {
  Webhook w;
  w.id = r.integer();
  w.url = r.text();
  w.types = parts_of(r.text(), ',');
  w.channel = r.text();
  w.salt = r.text();
  w.old_salt = r.text();
  w.old_until = r.maybe(&Rows::time);
  w.created = r.time();
  w.created_by = r.text();
  w.revision = r.small();
  w.cursor = r.number(INT64_MAX);
  w.enabled = r.flag();
  w.disabled_reason = r.text();
  w.failures = r.small();
  w.next_at = r.maybe(&Rows::time);
  w.failing_since = r.maybe(&Rows::time);
  w.last_at = r.maybe(&Rows::time);
  w.last_status = r.small();
  w.last_error = r.text();
  return w;
}

std::string select(const char* rest) { return std::string("SELECT id, ") + kColumns + " FROM webhooks " + rest; }

class SqliteWebhooks final : public Webhooks {
 public:
  explicit SqliteWebhooks(SQLite::Database& db) : db_(db) {}

  void insert(Webhook& w) override {
    const auto types = joined(w.types);
    insert_.run(w.url, types, w.channel, w.salt, w.old_salt, w.old_until, w.created, w.created_by, w.revision,
                w.cursor, w.enabled, w.disabled_reason, w.failures, w.next_at, w.failing_since, w.last_at,
                w.last_status, w.last_error);
    w.id = db_.getLastInsertRowid();
  }
  void update(const Webhook& w) override {
    const auto types = joined(w.types);
    update_.run(w.url, types, w.channel, w.salt, w.old_salt, w.old_until, w.created, w.created_by, w.revision,
                w.cursor, w.enabled, w.disabled_reason, w.failures, w.next_at, w.failing_since, w.last_at,
                w.last_status, w.last_error, w.id);
  }
  bool remove(std::int64_t id) override { return remove_.count(id) > 0; }

  std::optional<Webhook> find(std::int64_t id) const override { return first_row(find_.rows(id), "webhooks", read); }
  std::vector<Webhook> all() const override { return readable_rows(all_.rows(), "webhooks", read); }

 private:
  SQLite::Database& db_;
  Query insert_{db_, std::string("INSERT INTO webhooks (") + kColumns + ") VALUES (" + marks(kColumns) + ")"};
  Query update_{db_, std::string("UPDATE webhooks SET (") + kColumns + ") = (" + marks(kColumns) + ") WHERE id=?"};
  Query remove_{db_, "DELETE FROM webhooks WHERE id=? RETURNING 1"};
  Query find_{db_, select("WHERE id=?")};
  Query all_{db_, select("ORDER BY id")};
};

}  // namespace

std::unique_ptr<Webhooks> make_webhooks(SQLite::Database& db) { return std::make_unique<SqliteWebhooks>(db); }

}  // namespace ota::storage
