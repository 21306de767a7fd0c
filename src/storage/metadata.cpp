#include "ota/storage/metadata.hpp"

#include "storage/query.hpp"
#include "storage/sqlite_tables.hpp"

namespace ota::storage {
namespace {

class SqliteMetadata final : public Metadata {
 public:
  explicit SqliteMetadata(SQLite::Database& db) : db_(db) {}

  std::optional<std::string> value(const std::string& name) const override {
    return value_.value(&Rows::text, name);
  }
  void set_value(const std::string& name, const std::string& value) override { set_value_.run(name, value); }
  std::uint64_t database_bytes() const override {
    return static_cast<std::uint64_t>(bytes_.value(&Rows::integer).value_or(0));
  }

 private:
  SQLite::Database& db_;
  Query value_{db_, "SELECT CAST(value AS TEXT) FROM kept_values WHERE name=?"};
  Query set_value_{db_, "INSERT OR REPLACE INTO kept_values (name, value) VALUES (?,?)"};
  Query bytes_{db_, "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"};
};

}  // namespace

std::unique_ptr<Metadata> make_metadata(SQLite::Database& db) { return std::make_unique<SqliteMetadata>(db); }

}  // namespace ota::storage
