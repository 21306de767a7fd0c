#include "ota/base/unknown_argument.hpp"

#include <gtest/gtest.h>

namespace ota {
namespace {

TEST(UnknownArgument, NamesTheNearestOrAll) {
  const std::string known[] = {"--config", "--version"};
  EXPECT_EQ(unknown_argument("--confg", known), "unknown argument --confg; did you mean --config?");
  EXPECT_EQ(unknown_argument("--versoin=1", known), "unknown argument --versoin=1; did you mean --version?");
  EXPECT_EQ(unknown_argument("\x1b[2J", known).find('\x1b'), std::string::npos);
  EXPECT_EQ(unknown_argument("zzz", known), "unknown argument zzz; known are --config, --version");
}

}  // namespace
}  // namespace ota
