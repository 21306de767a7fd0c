#include "backup/contents.hpp"

#include <gtest/gtest.h>

#include "ota/firmware/hash.hpp"

namespace ota::backup {
namespace {

TEST(BackupContents, NamesThatABackupMayHold) {
  for (const auto* name : {"otad.db", "download.key", "webhook.key", "otad.toml", "keys/vendor.pem", "firmware/00ff.img"})
    EXPECT_TRUE(is_known(name)) << name;
  for (const auto* name : {"", "etc/passwd", "/otad.db", "keys/", "keys/../otad.db", "keys/a/b", "firmware/.hidden",
                           "firmware/a b", "../otad.db", "otad.db/x", "firmware/..", "backup.json"})
    EXPECT_FALSE(is_known(name)) << name;
}

TEST(BackupContents, TheListComesBackAsItWas) {
  Contents contents;
  contents.otad = "1.2.3";
  contents.schema = 17;
  contents.created = parse_rfc3339("2026-11-27T06:00:00Z").value();
  contents.images = false;
  contents.entries = {{"otad.db", 4096, firmware::sha256("a")}, {"keys/k.pem", 0, firmware::sha256("")}};
  const auto back = parse_contents(to_json(contents));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->otad, "1.2.3");
  EXPECT_EQ(back->schema, 17);
  EXPECT_EQ(back->created, contents.created);
  EXPECT_FALSE(back->images);
  ASSERT_EQ(back->entries.size(), 2u);
  EXPECT_EQ(back->entries[0].name, "otad.db");
  EXPECT_EQ(back->entries[0].size, 4096u);
  EXPECT_EQ(back->entries[1].sha256, firmware::sha256(""));
}

TEST(BackupContents, OtherListsAreRefused) {
  for (const auto* text :
       {"", "[]", "null", "{", "{}", R"({"otad": 1, "schema": 1, "created_at": "2026-11-27T06:00:00Z", "images": true, "files": []})",
        R"({"otad": "1", "schema": "1", "created_at": "2026-11-27T06:00:00Z", "images": true, "files": []})",
        R"({"otad": "1", "schema": 1, "created_at": "yesterday", "images": true, "files": []})",
        R"({"otad": "1", "schema": 1, "created_at": "2026-11-27T06:00:00Z", "images": true, "files": [1]})",
        R"({"otad": "1", "schema": 1, "created_at": "2026-11-27T06:00:00Z", "images": true, "files": [{"name": "otad.db", "size": -1, "sha256": "00"}]})"}) {
    const auto parsed = parse_contents(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Errc::malformed);
  }
}

}  // namespace
}  // namespace ota::backup
