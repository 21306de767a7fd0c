#include "ota/storage/idempotency_keys.hpp"

#include "storage/query.hpp"
#include "storage/sqlite_tables.hpp"

namespace ota::storage {
namespace {

AnsweredOrder read(Rows& rows) {
  rows.text();  // the key
  AnsweredOrder answer;
  answer.body = rows.digest();
  answer.task = rows.integer();
  answer.created = rows.flag();
  answer.state = rows.word<TaskState>();
  answer.at = rows.time();
  return answer;
}

class SqliteIdempotencyKeys final : public IdempotencyKeys {
 public:
  explicit SqliteIdempotencyKeys(SQLite::Database& db) : db_(db) {}

  std::optional<AnsweredOrder> answered(const std::string& key) const override {
    return first_row(answered_.rows(key), "idempotency_keys", read);
  }
  void remember(const std::string& key, const AnsweredOrder& a) override {
    remember_.run(key, a.body, a.task, a.created, a.state, a.at);
  }
  int forget(WallTime before, int limit) override { return forget_.count(before, limit); }

 private:
  SQLite::Database& db_;
  Query answered_{db_, "SELECT key, body, task, created, state, at FROM idempotency_keys WHERE key=?"};
  Query remember_{db_, "INSERT INTO idempotency_keys (key, body, task, created, state, at) VALUES (?,?,?,?,?,?)"};
  Query forget_{db_,
                "DELETE FROM idempotency_keys WHERE key IN (SELECT key FROM idempotency_keys WHERE at<? ORDER BY at "
                "LIMIT ?) RETURNING 1"};
};

}  // namespace

std::unique_ptr<IdempotencyKeys> make_idempotency_keys(SQLite::Database& db) {
  return std::make_unique<SqliteIdempotencyKeys>(db);
}

}  // namespace ota::storage
