#include "setup/files.hpp"

#include <gtest/gtest.h>

#include "unit/base/temp_dir.hpp"

namespace ota::setup {
namespace {

TEST(Difference, ShowsChangedLinesAlone) {
  EXPECT_EQ(difference("a\nb\nc\nd\n", "a\nx\nc\nd\ne\n", "  "), "  -b\n  +x\n  +e\n");
  EXPECT_EQ(difference("", "a\nb", ""), "+a\n+b\n");
  EXPECT_EQ(difference("a\n", "", ""), "-a\n");
  EXPECT_EQ(difference("a\n", "a\n", ""), "");
  EXPECT_EQ(difference(std::string(5000, '\n'), "a", " "), " (too long to be shown)\n");
}

TEST(Put, ReplacesAFileThatAKillLeftOpen) {
  const TempDir dir;
  dir.file("secret.new", "half");
  std::filesystem::permissions(dir / "secret.new", std::filesystem::perms{0666});
  ASSERT_TRUE(put(dir / "secret", {"whole", 0600, {::geteuid(), ::getegid()}}));
  const auto state = look(dir / "secret");
  ASSERT_TRUE(state && *state);
  EXPECT_EQ((*state)->content, "whole");
  EXPECT_EQ((*state)->mode, 0600u);
  EXPECT_FALSE(std::filesystem::exists(dir / "secret.new"));
}

TEST(Look, TellsWhereThereIsNoFile) {
  const TempDir dir;
  const auto state = look(dir / "none");
  ASSERT_TRUE(state);
  EXPECT_FALSE(*state);
}

}  // namespace
}  // namespace ota::setup
