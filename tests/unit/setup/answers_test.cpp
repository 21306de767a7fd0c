#include "ota/setup/answers.hpp"

#include <gmock/gmock.h>

#include "unit/base/temp_dir.hpp"

namespace ota::setup {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Answers, AreReadStrictly) {
  const TempDir dir;
  const auto answers = read_answers(dir.file("a", "name = \"gw.example\"\nnames = [\"10.0.0.1\", \"gw\"]\nuser = \"me\"\n"));
  ASSERT_TRUE(answers) << answers.error().message;
  EXPECT_EQ(answers->name, "gw.example");
  EXPECT_THAT(answers->names, ElementsAre("10.0.0.1", "gw"));
  EXPECT_EQ(answers->user, "me");
  EXPECT_EQ(read_answers(dir.file("a", ""))->user, std::nullopt);
  EXPECT_EQ(read_answers(dir.file("a", "user = \"\""))->user, "");
  for (const auto* text : {"nmae = \"gw\"", "name = 1", "name = \"a b\"", "names = \"gw\"", "names = [1]", "user = 1",
                           "name = ", "names = [\"gw:8080\"]"}) {
    const auto wrong = read_answers(dir.file("a", text));
    ASSERT_FALSE(wrong) << text;
    EXPECT_EQ(wrong.error().code, Errc::malformed) << text;
    EXPECT_THAT(wrong.error().message, HasSubstr(":1: ")) << text;
  }
  EXPECT_EQ(read_answers(dir / "none").error().code, Errc::not_found);
}

}  // namespace
}  // namespace ota::setup
