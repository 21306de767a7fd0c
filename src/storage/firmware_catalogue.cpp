#include "ota/storage/firmware_catalogue.hpp"

#include "ota/domain/version.hpp"
#include "storage/query.hpp"
#include "storage/sqlite_tables.hpp"

namespace ota::storage {
namespace {

std::string select(const char* rest) {
  return std::string(
             "SELECT id, version, hardware, size, checksum, security, notes, key_id, signature, created, damaged, "
             "blocked, filename, sha1, md5 FROM firmware ") +
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
  f.blocked = r.maybe(&Rows::text);
  auto filename = r.maybe(&Rows::text);
  const auto sha1 = r.maybe(&Rows::bytes<Sha1Digest>);
  const auto md5 = r.maybe(&Rows::bytes<Md5Digest>);
  if (filename && sha1 && md5) f.file = FirmwareFile{std::move(*filename), *sha1, *md5};
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

template <class T>
std::optional<T> of_file(const Firmware& f, T FirmwareFile::* field) {
  return f.file ? std::optional{(*f.file).*field} : std::nullopt;
}

class SqliteFirmwareCatalogue final : public FirmwareCatalogue {
 public:
  explicit SqliteFirmwareCatalogue(SQLite::Database& db) : db_(db) {}

  void insert(Firmware& f) override {
    insert_.run(f.version, f.hardware, f.size, f.checksum, f.security, f.notes, key_id(f), signature(f), f.created,
                f.damaged, of_file(f, &FirmwareFile::name), of_file(f, &FirmwareFile::sha1),
                of_file(f, &FirmwareFile::md5));
    f.id = db_.getLastInsertRowid();
  }
  void update(const Firmware& f) override {
    update_.run(f.id, f.security, f.notes, key_id(f), signature(f), f.damaged, f.blocked,
                of_file(f, &FirmwareFile::name), of_file(f, &FirmwareFile::sha1), of_file(f, &FirmwareFile::md5));
  }
  bool remove(std::int64_t id) override { return remove_.rows(id).next(); }

  std::optional<Firmware> find(std::int64_t id) const override { return first(by_id_.rows(id)); }
  std::optional<Firmware> find(const std::string& version, const std::string& hardware) const override {
    return first(by_version_.rows(version, hardware));
  }
  std::vector<Firmware> with_version(const std::string& version) const override {
    return all_of(with_version_.rows(version));
  }
  std::vector<Firmware> with_same_version(const std::string& version) const override;
  std::vector<Firmware> with_image(const Digest& image) const override { return all_of(with_image_.rows(image)); }
  std::vector<Firmware> list(std::int64_t before, int limit) const override {
    const std::int64_t below = before > 0 ? before : INT64_MAX;
    return all_of(list_.rows(below), limit);
  }
  std::vector<Firmware> all() const override { return all_of(all_.rows()); }

 private:
  SQLite::Database& db_;
  Query insert_{db_,
                "INSERT INTO firmware (version, hardware, size, checksum, security, notes, key_id, signature, created, "
                "damaged, filename, sha1, md5) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"};
  Query update_{db_,
                "UPDATE firmware SET security=?2, notes=?3, key_id=?4, signature=?5, damaged=?6, blocked=?7, "
                "filename=?8, sha1=?9, md5=?10 WHERE id=?1"};
  Query remove_{db_, "DELETE FROM firmware WHERE id=? RETURNING 1"};
  Query by_id_{db_, select("WHERE id=?")};
  Query by_version_{db_, select("WHERE version=? AND hardware=?")};
  Query with_version_{db_, select("WHERE version=? ORDER BY hardware LIMIT 1000")};
  Query versions_{db_, "SELECT DISTINCT version FROM firmware"};
  Query with_image_{db_, select("WHERE checksum=?")};
  Query list_{db_, select("WHERE id<? ORDER BY id DESC")};
  Query all_{db_, select("ORDER BY id")};
};

std::vector<Firmware> SqliteFirmwareCatalogue::with_same_version(const std::string& version) const {
  std::vector<std::string> equal;
  {
    auto rows = versions_.rows();
    while (rows.next())
      if (auto text = rows.text(); same_version(text, version)) equal.push_back(std::move(text));
  }
  std::vector<Firmware> found;
  for (const auto& text : equal)
    for (auto& firmware : with_version(text)) found.push_back(std::move(firmware));
  return found;
}

}  // namespace

std::unique_ptr<FirmwareCatalogue> make_firmware_catalogue(SQLite::Database& db) {
  return std::make_unique<SqliteFirmwareCatalogue>(db);
}

}  // namespace ota::storage
