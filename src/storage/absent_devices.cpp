#include "ota/storage/absent_devices.hpp"

#include <algorithm>
#include <utility>

#include "storage/device_row.hpp"
#include "storage/sqlite_database.hpp"

namespace ota::storage {
namespace {

Device read_absent(Rows& rows) { return read_device(rows).device; }

}  // namespace

struct AbsentDevices::Statements {
  explicit Statements(SQLite::Database& db)
      : list{db, select_devices("INDEXED BY devices_seen WHERE seen>=?1 AND (seen>?1 OR id>?2) AND seen<?3 ORDER BY "
                                "seen, id LIMIT ?4")} {}
  Query list;
};

AbsentDevices::AbsentDevices(Database& db) : q_(std::make_unique<Statements>(sqlite(db).handle())) {}
AbsentDevices::~AbsentDevices() = default;

std::vector<Device> AbsentDevices::list(const ContactPlace& after, WallTime before, int limit) {
  const auto from = std::max(after.seen, WallTime{});  // -1: never seen
  return readable_rows(q_->list.rows(from, after.id, before, limit), "devices", read_absent, limit);
}

}  // namespace ota::storage
