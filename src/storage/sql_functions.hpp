// Functions of the domain that queries use. No index and no trigger does: other programs can open the database.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

namespace ota::storage {

/// `version_key(text)`, `version_order(a, b)` (-1, 0, 1, as compare_versions()), `text_like(text, pattern)`.
void add_functions(SQLite::Database& db);

}  // namespace ota::storage
