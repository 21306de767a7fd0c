#include "agent/state_dir.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fakes.hpp"

namespace ota::agent {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class StateAncestors : public ::testing::Test {
 protected:
  StateAncestors() { fs::create_directories(state); }
  void mode(const fs::path& folder, mode_t bits) { ASSERT_EQ(::chmod(folder.c_str(), bits), 0); }
  std::string warning() const { return warning_of_ancestors(state).value_or(""); }

  test::TempDir dir;  // in /tmp, where all may write, with the sticky bit
  const fs::path outer = dir.path() / "outer";
  const fs::path state = outer / "inner" / "state";
};

TEST_F(StateAncestors, OfTheUserAndRootAreFine) {
  EXPECT_EQ(warning(), "");
  mode(outer, 01777);
  EXPECT_EQ(warning(), "") << "nobody may rename what another made there";
}

TEST_F(StateAncestors, ThatOthersCanChangeAreNamed) {
  for (const mode_t bits : {0777, 0775}) {
    mode(outer, bits);
    EXPECT_THAT(warning(), HasSubstr("others may write to " + outer.string()));
  }
}

TEST_F(StateAncestors, AreThoseOfTheFolderItself) {
  const auto link = dir.path() / "link";
  fs::create_directory_symlink(state, link);
  mode(outer, 0777);
  EXPECT_THAT(warning_of_ancestors(link).value_or(""), HasSubstr(outer.string()));
}

TEST_F(StateAncestors, OfAnotherUserAreNamed) {
  if (::chown(outer.c_str(), 12'345, 0) != 0) GTEST_SKIP() << "not root";
  EXPECT_THAT(warning(), HasSubstr(outer.string() + " belongs to user 12345"));
}

}  // namespace
}  // namespace ota::agent
