#include "ota/domain/version.hpp"
#include "ota/storage/tables.hpp"
#include "storage/database_impl.hpp"

namespace ota::storage {
namespace {

std::string select(const char* rest) {
  return std::string(
             "SELECT id, version, hardware, size, checksum, security, notes, key_id, signature, created, damaged FROM "
             "firmware ") +
         rest;
}

Firmware read(Rows& r) {
  Firmware f;
  f.id = r.integer();
  f.version = r.text();
  f.hardware = r.text();
  f.size = static_cast<std::uint64_t>(r.number(INT64_MAX));
  f.checksum = r.digest();
  f.security = r.flag();
  f.notes = r.text();
  auto key_id = r.maybe(&Rows::text);
  auto value = r.maybe(&Rows::text);
  if (key_id && value) f.signature = FirmwareSignature{std::move(*key_id), std::move(*value)};
  f.created = r.time();
  f.damaged = r.flag();
  return f;
}

std::vector<Firmware> all_of(Rows&& rows, int limit = INT_MAX) {
  return readable_rows(std::move(rows), "firmware", read, limit);
}
std::optional<Firmware> first(Rows&& rows) { return first_row(std::move(rows), "firmware", read); }

std::optional<std::string> key_id(const Firmware& f) {
  return f.signature ? std::optional{f.signature->key_id} : std::nullopt;
}
std::optional<std::string> signature(const Firmware& f) {
  return f.signature ? std::optional{f.signature->value} : std::nullopt;
}

}  // namespace

struct FirmwareTable::Statements {
  explicit Statements(SQLite::Database& d) : db(d) {}

  SQLite::Database& db;
  Query insert{db,
               "INSERT INTO firmware (version, hardware, size, checksum, security, notes, key_id, signature, created, "
               "damaged) VALUES (?,?,?,?,?,?,?,?,?,?)"};
  Query update{db, "UPDATE firmware SET security=?2, notes=?3, key_id=?4, signature=?5, damaged=?6 WHERE id=?1"};
  Query remove{db, "DELETE FROM firmware WHERE id=? RETURNING 1"};
  Query by_id{db, select("WHERE id=?")};
  Query by_version{db, select("WHERE version=? AND hardware=?")};
  Query with_version{db, select("WHERE version=? ORDER BY hardware LIMIT 1000")};
  Query versions{db, "SELECT DISTINCT version FROM firmware"};
  Query with_image{db, select("WHERE checksum=?")};
  Query list{db, select("WHERE id<? ORDER BY id DESC")};
  Query all{db, select("ORDER BY id")};
};

FirmwareTable::FirmwareTable(Database& db) : q_(std::make_unique<Statements>(db.impl().db)) {}
FirmwareTable::~FirmwareTable() = default;

void FirmwareTable::insert(Firmware& f) {
  q_->insert.run(f.version, f.hardware, f.size, f.checksum, f.security, f.notes, key_id(f), signature(f), f.created,
                 f.damaged);
  f.id = q_->db.getLastInsertRowid();
}

void FirmwareTable::update(const Firmware& f) {
  q_->update.run(f.id, f.security, f.notes, key_id(f), signature(f), f.damaged);
}

bool FirmwareTable::remove(std::int64_t id) { return q_->remove.rows(id).next(); }
std::optional<Firmware> FirmwareTable::find(std::int64_t id) { return first(q_->by_id.rows(id)); }

std::optional<Firmware> FirmwareTable::find(const std::string& version, const std::string& hardware) {
  return first(q_->by_version.rows(version, hardware));
}

std::vector<Firmware> FirmwareTable::with_version(const std::string& version) {
  return all_of(q_->with_version.rows(version));
}

std::vector<Firmware> FirmwareTable::with_same_version(const std::string& version) {
  std::vector<std::string> equal;
  {
    auto rows = q_->versions.rows();
    while (rows.next())
      if (auto text = rows.text(); same_version(text, version)) equal.push_back(std::move(text));
  }
  std::vector<Firmware> found;
  for (const auto& text : equal)
    for (auto& firmware : with_version(text)) found.push_back(std::move(firmware));
  return found;
}

std::vector<Firmware> FirmwareTable::with_image(const Digest& image) { return all_of(q_->with_image.rows(image)); }

std::vector<Firmware> FirmwareTable::list(std::int64_t before, int limit) {
  const std::int64_t below = before > 0 ? before : INT64_MAX;
  return all_of(q_->list.rows(below), limit);
}

std::vector<Firmware> FirmwareTable::all() { return all_of(q_->all.rows()); }

}  // namespace ota::storage
