#include "support/sqlite_faults.hpp"
#include "unit/storage/store.hpp"

namespace ota::storage {

Kind sqlite_on_disk() {
  return {"Sqlite", [](const std::string& folder) { return make_backend({.database = folder + "/otad.db"}); },
          test::spoil_row, [](Database& db) { sqlite(db).handle().setBusyTimeout(0); }};
}

}  // namespace ota::storage
