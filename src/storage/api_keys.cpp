#include "ota/storage/api_keys.hpp"

#include "storage/query.hpp"
#include "storage/sqlite_tables.hpp"

namespace ota::storage {
namespace {

ApiKey read(Rows& rows) {
  ApiKey key;
  key.name = rows.text();
  key.role = rows.word<Role>();
  key.secret = rows.digest();
  key.created = rows.time();
  key.last_used = rows.maybe(&Rows::time);
  return key;
}

class SqliteApiKeys final : public ApiKeys {
 public:
  explicit SqliteApiKeys(SQLite::Database& db) : db_(db) {}

  bool add(const ApiKey& key) override { return add_.rows(key.name, key.role, key.secret, key.created).next(); }
  bool remove(const std::string& name) override { return remove_.rows(name).next(); }
  void used(const std::string& name, WallTime at) override { used_.run(name, at); }
  std::vector<ApiKey> all() const override { return readable_rows(all_.rows(), "api_keys", read); }

 private:
  SQLite::Database& db_;
  Query add_{db_,
             "INSERT INTO api_keys (name, role, secret, created) VALUES (?,?,?,?) ON CONFLICT (name) DO NOTHING "
             "RETURNING 1"};
  Query remove_{db_, "DELETE FROM api_keys WHERE name=? RETURNING 1"};
  Query used_{db_, "UPDATE api_keys SET last_used=?2 WHERE name=?1"};
  Query all_{db_, "SELECT name, role, secret, created, last_used FROM api_keys ORDER BY name"};
};

}  // namespace

std::unique_ptr<ApiKeys> make_api_keys(SQLite::Database& db) { return std::make_unique<SqliteApiKeys>(db); }

}  // namespace ota::storage
