#include <array>

#include "ota/storage/tables.hpp"
#include "storage/database_impl.hpp"

namespace ota::storage {
namespace {
constexpr std::array<std::string_view, 3> kRoles{"viewer", "operator", "admin"};
}

std::string_view to_string(Role role) { return kRoles.at(static_cast<std::size_t>(role)); }

std::optional<Role> parse_role(std::string_view text) {
  for (std::size_t i = 0; i < kRoles.size(); ++i)
    if (kRoles[i] == text) return static_cast<Role>(i);
  return {};
}

struct Keys::Statements {
  explicit Statements(SQLite::Database& d) : db(d) {}

  SQLite::Database& db;
  Query add{db,
            "INSERT INTO api_keys (name, role, secret, created) VALUES (?,?,?,?) ON CONFLICT (name) DO NOTHING "
            "RETURNING 1"};
  Query remove{db, "DELETE FROM api_keys WHERE name=? RETURNING 1"};
  Query all{db, "SELECT name, role, secret, created, last_used FROM api_keys ORDER BY name"};
  Query used{db, "UPDATE api_keys SET last_used=?2 WHERE name=?1"};
  Query value{db, "SELECT value FROM kept_values WHERE name=?"};
  Query set_value{db, "INSERT OR REPLACE INTO kept_values (name, value) VALUES (?,?)"};
  Query answered{db, "SELECT body, task, created, state, at FROM idempotency_keys WHERE key=?"};
  Query remember{db, "INSERT INTO idempotency_keys (key, body, task, created, state, at) VALUES (?,?,?,?,?,?)"};
  Query forget{db,
               "DELETE FROM idempotency_keys WHERE key IN (SELECT key FROM idempotency_keys WHERE at<? ORDER BY at "
               "LIMIT ?) RETURNING 1"};
};

Keys::Keys(Database& db) : q_(std::make_unique<Statements>(db.impl().db)) {}
Keys::~Keys() = default;

bool Keys::add(const ApiKey& key) { return q_->add.rows(key.name, key.role, key.secret, key.created).next(); }
bool Keys::remove(const std::string& name) { return q_->remove.rows(name).next(); }

namespace {

ApiKey read_key(Rows& rows) {
  ApiKey key;
  key.name = rows.text();
  key.role = rows.word<Role>();
  key.secret = rows.digest();
  key.created = rows.time();
  key.last_used = rows.maybe(&Rows::time);
  return key;
}

}  // namespace

std::vector<ApiKey> Keys::all() { return readable_rows(q_->all.rows(), "api_keys", read_key); }

void Keys::used(const std::string& name, WallTime at) { q_->used.run(name, at); }

std::optional<std::string> Keys::value(const std::string& name) {
  auto rows = q_->value.rows(name);
  if (!rows.next()) return {};
  return rows.text();
}

void Keys::set_value(const std::string& name, const std::string& value) { q_->set_value.run(name, value); }

std::optional<Keys::Answered> Keys::answered(const std::string& key) {
  auto rows = q_->answered.rows(key);
  if (!rows.next()) return {};
  Answered answer;
  answer.body = rows.digest();
  answer.task = rows.integer();
  answer.created = rows.flag();
  answer.state = rows.word<TaskState>();
  answer.at = rows.time();
  return answer;
}

void Keys::remember(const std::string& key, const Answered& a) {
  q_->remember.run(key, a.body, a.task, a.created, a.state, a.at);
}

int Keys::forget_answers(WallTime before, int limit) {
  int removed = 0;
  auto rows = q_->forget.rows(before, limit);
  while (rows.next()) ++removed;
  return removed;
}

}  // namespace ota::storage
