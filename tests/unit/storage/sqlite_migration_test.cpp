// Schemas: from every older one to the newest, and what is refused.
#include <fmt/format.h>

#include <filesystem>

#include "storage/migrations.hpp"
#include "unit/storage/sqlite_fixture.hpp"

namespace ota::storage {
namespace {

TEST_F(SqliteTest, MigrationsAreNumberedFromOneWithoutGaps) {
  int expected = 1;
  for (const auto& step : migrations()) EXPECT_EQ(step.number, expected++);
}

TEST_F(SqliteTest, EveryOlderSchemaGrowsIntoTheNewest) {
  auto schema = [](SQLite::Database& db) {
    std::vector<std::string> lines;
    SQLite::Statement all(db, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY sql");
    while (all.executeStep()) lines.push_back(all.getColumn(0).getString());
    return lines;
  };
  const auto newest = open();
  const auto fresh = schema(sqlite(*newest).handle());
  for (std::size_t old = 0; old < migrations().size(); ++old) {
    const auto file = dir / ("old" + std::to_string(old) + ".db");
    {
      SQLite::Database db(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
      for (std::size_t i = 0; i < old; ++i) db.exec(migrations()[i].sql);
      db.exec("PRAGMA user_version=" + std::to_string(old));
    }
    const auto old_one = backend_of(file);
    const auto db = old_one->open(Mode::writer).value();
    EXPECT_EQ(schema(sqlite(*db).handle()), fresh) << "from " << old;
  }
}

TEST_F(SqliteTest, ANewerSchemaIsRefusedWithBothNumbers) {
  {
    const auto db = open();
    sqlite(*db).handle().exec("PRAGMA user_version=9999");
  }
  const auto refused = backend->open(Mode::writer);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("9999"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find(std::to_string(migrations().back().number)), std::string::npos);
}

class OldSchemaTest : public SqliteTest {
 protected:
  const int newest = migrations().back().number;
  const int old = newest - 1;
  const std::string copy = fmt::format("{}.before-{:04}", path, newest);

  void make(const std::string& file, int schema) {
    SQLite::Database db(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    for (int i = 0; i < schema; ++i) db.exec(migrations()[static_cast<std::size_t>(i)].sql);
    db.exec("PRAGMA user_version=" + std::to_string(schema));
    db.exec("INSERT INTO kept_values (name, value) VALUES ('a', 'old')");
  }
  static int schema(const std::string& file) {
    SQLite::Database db(file);
    return db.execAndGet("PRAGMA user_version").getInt();
  }
};

TEST_F(OldSchemaTest, AMigrationKeepsACopyOfWhatWasBefore) {
  make(path, old);
  std::ofstream(path + ".before-0001") << "of an earlier migration";
  EXPECT_EQ(open()->metadata().value("a"), "old");
  EXPECT_EQ(schema(path), newest);
  EXPECT_EQ(schema(copy), old);
  EXPECT_FALSE(std::filesystem::exists(path + ".before-0001")) << "only the last is kept";
  SQLite::Database kept(copy);
  EXPECT_EQ(kept.execAndGet("SELECT value FROM kept_values WHERE name='a'").getString(), "old");
  EXPECT_EQ(kept.execAndGet("PRAGMA integrity_check").getString(), "ok");
}

TEST_F(OldSchemaTest, AFreshDatabaseNeedsNoCopy) {
  open();
  EXPECT_FALSE(std::filesystem::exists(copy));
}

TEST_F(OldSchemaTest, NothingButTheDaemonMigrates) {
  make(path, old);
  for (const auto mode : {Mode::editor, Mode::reader}) {
    const auto refused = backend->open(mode);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find(fmt::format("schema {} ", old)), std::string::npos)
        << refused.error().message;
    EXPECT_NE(refused.error().message.find("restart the daemon"), std::string::npos) << refused.error().message;
    EXPECT_EQ(schema(path), old);
  }
  const auto backup = dir / "copy.db";
  EXPECT_TRUE(backend->backup_to(backup)) << "a backup before the new version starts";
  EXPECT_EQ(schema(backup), old);
  open();
  EXPECT_TRUE(backend->open(Mode::editor));
  EXPECT_TRUE(backend->open(Mode::reader));
}

TEST_F(OldSchemaTest, ADatabaseOfAnotherProgramIsLeftAlone) {
  {
    SQLite::Database db(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    db.exec("CREATE TABLE bookmarks (url TEXT)");
  }
  for (const int version : {0, 3}) {
    SQLite::Database(path, SQLite::OPEN_READWRITE).exec("PRAGMA user_version=" + std::to_string(version));
    const auto before = contents(path);
    const auto refused = backend->open(Mode::writer);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("another program"), std::string::npos) << refused.error().message;
    EXPECT_EQ(contents(path), before);
  }
}

TEST_F(OldSchemaTest, WhatIsNotWholeIsSaidBeforeAStart) {
  EXPECT_FALSE(backend_of(dir / "nowhere.db")->check());
  { make(path, newest); }
  EXPECT_TRUE(backend->check());
  const auto whole = contents(path);
  // A page amid the file, the end cut off, the header overwritten.
  auto broken = whole;
  std::fill(broken.begin() + 3 * 4096, broken.begin() + 4 * 4096, 'x');
  auto foreign = whole;
  std::fill(foreign.begin(), foreign.begin() + 16, 'x');
  for (const auto& bytes :
       {broken, whole.substr(0, 3 * 4096), foreign, std::string("not at all, and long enough to be one")}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    const auto checked = backend->check();
    ASSERT_FALSE(checked);
    EXPECT_NE(checked.error().message.find("estore a backup"), std::string::npos) << checked.error().message;
    EXPECT_EQ(contents(path), bytes) << "nothing is changed";
  }
}

TEST_F(OldSchemaTest, PackedTagsMoveIntoATableOfTheirOwn) {
  make(path, 10);
  {
    SQLite::Database db(path, SQLite::OPEN_READWRITE);
    for (const auto* row : {"'a', 'site\x1fnorth\x1frack\x1f' || '7\x1f'", "'b', ''",
                            "'c', 'note\x1f\x1f\xc3\xb6\x1fx y\x1f'"})
      db.exec(fmt::format("INSERT INTO devices (id, tags, hardware, current_version, registered, transports, created, "
                          "present_until_tl) VALUES ({}, '', '', 1, 0, 0, 0)",
                          row));
  }
  const auto db = open();
  Devices devices(*db);
  using Tags = std::map<std::string, std::string>;
  EXPECT_EQ(devices.find("a")->tags, (Tags{{"rack", "7"}, {"site", "north"}}));
  EXPECT_EQ(devices.find("b")->tags, Tags{});
  EXPECT_EQ(devices.find("c")->tags, (Tags{{"note", ""}, {"\xc3\xb6", "x y"}}));
}

}  // namespace
}  // namespace ota::storage
