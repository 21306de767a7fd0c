#include "ota/storage/api_keys.hpp"

#include <algorithm>

#include "storage/query.hpp"
#include "storage/sqlite_tables.hpp"

namespace ota::storage {
namespace {

constexpr const char* kKeyColumns =
    "SELECT name, role, secret, created, last_used, scope, expires, former_secret, former_until FROM api_keys ";

/// Conditions have no control characters.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    lines.emplace_back(line);
  }
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + '\n';
  return text;
}

ApiKey read(Rows& rows) {
  ApiKey key;
  key.name = rows.text();
  key.role = rows.word<Role>();
  key.secret = rows.digest();
  key.created = rows.time();
  key.last_used = rows.maybe(&Rows::time);
  key.scope = lines_of(rows.text());
  key.expires = rows.maybe(&Rows::time);
  const auto former = rows.maybe(&Rows::digest);
  const auto until = rows.maybe(&Rows::time);
  if (former && until) key.former = ApiKey::Former{*former, *until};
  return key;
}

class SqliteApiKeys final : public ApiKeys {
 public:
  explicit SqliteApiKeys(SQLite::Database& db) : db_(db) {}

  bool add(const ApiKey& key) override {
    const auto scope = joined(key.scope);
    return add_.rows(key.name, key.role, key.secret, key.created, scope, key.expires).next();
  }
  void update(const ApiKey& key) override {
    const auto scope = joined(key.scope);
    std::optional<Digest> former;
    std::optional<WallTime> until;
    if (key.former) {
      former = key.former->secret;
      until = key.former->until;
    }
    update_.run(key.name, key.role, key.secret, scope, key.expires, former, until);
  }
  bool remove(const std::string& name) override { return remove_.rows(name).next(); }
  void used(const std::string& name, WallTime at) override { used_.run(name, at); }
  std::optional<ApiKey> find(const std::string& name) const override {
    return first_row(find_.rows(name), "api_keys", read);
  }
  std::vector<ApiKey> all() const override { return readable_rows(all_.rows(), "api_keys", read); }

 private:
  SQLite::Database& db_;
  Query add_{db_,
             "INSERT INTO api_keys (name, role, secret, created, scope, expires) VALUES (?,?,?,?,?,?) ON CONFLICT (name) "
             "DO NOTHING RETURNING 1"};
  Query update_{db_,
                "UPDATE api_keys SET role=?2, secret=?3, scope=?4, expires=?5, former_secret=?6, former_until=?7 "
                "WHERE name=?1"};
  Query remove_{db_, "DELETE FROM api_keys WHERE name=? RETURNING 1"};
  Query used_{db_, "UPDATE api_keys SET last_used=?2 WHERE name=?1"};
  Query find_{db_, std::string(kKeyColumns) + "WHERE name=?"};
  Query all_{db_, std::string(kKeyColumns) + "ORDER BY name"};
};

}  // namespace

std::unique_ptr<ApiKeys> make_api_keys(SQLite::Database& db) { return std::make_unique<SqliteApiKeys>(db); }

}  // namespace ota::storage
