#include "ota/domain/api_key.hpp"

#include <gtest/gtest.h>

namespace ota {
namespace {

TEST(ApiKeys, RolesAreKnownByTheirWords) {
  for (const auto role : {Role::viewer, Role::operator_, Role::admin}) EXPECT_EQ(parse_role(to_string(role)), role);
  EXPECT_FALSE(parse_role("root"));
}

}  // namespace
}  // namespace ota
