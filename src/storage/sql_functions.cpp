#include "storage/sql_functions.hpp"

#include <sqlite3.h>

#include <string_view>

#include "ota/domain/selection.hpp"
#include "ota/domain/version.hpp"

namespace ota::storage {
namespace {

std::string_view text_of(sqlite3_value* value) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  return text ? std::string_view(text, static_cast<std::size_t>(sqlite3_value_bytes(value))) : std::string_view();
}

void key(sqlite3_context* context, int, sqlite3_value** values) {
  const auto made = version_key(text_of(values[0]));
  if (made.empty())
    sqlite3_result_zeroblob(context, 0);
  else
    sqlite3_result_blob(context, made.data(), static_cast<int>(made.size()), SQLITE_TRANSIENT);
}

void order(sqlite3_context* context, int, sqlite3_value** values) {
  const auto found = compare_versions(text_of(values[0]), text_of(values[1]));
  sqlite3_result_int(context, found < 0 ? -1 : found > 0 ? 1 : 0);
}

void like(sqlite3_context* context, int, sqlite3_value** values) {
  sqlite3_result_int(context, text_like(text_of(values[0]), text_of(values[1])));
}

}  // namespace

void add_functions(SQLite::Database& db) {
  db.createFunction("version_key", 1, true, nullptr, key, nullptr, nullptr);
  db.createFunction("version_order", 2, true, nullptr, order, nullptr, nullptr);
  db.createFunction("text_like", 2, true, nullptr, like, nullptr, nullptr);
}

}  // namespace ota::storage
