// A database file of SQLite in a folder of its own.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "ota/storage/backend.hpp"
#include "storage/sqlite_database.hpp"
#include "support/fakes.hpp"

namespace ota::storage {

class SqliteTest : public ::testing::Test {
 protected:
  std::unique_ptr<Database> open(Mode mode = Mode::writer) { return backend->open(mode).value(); }
  static std::unique_ptr<Backend> backend_of(const std::string& file) { return make_backend({.database = file}); }
  static std::string contents(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static int pragma(Database& db, const std::string& name) {
    return sqlite(db).handle().execAndGet("PRAGMA " + name).getInt();
  }

  test::TempDir dir;
  const std::string path = dir / "otad.db";
  const std::unique_ptr<Backend> backend = backend_of(path);
};

}  // namespace ota::storage
