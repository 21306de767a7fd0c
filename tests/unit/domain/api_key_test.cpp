#include "ota/domain/api_key.hpp"

#include <gtest/gtest.h>

namespace ota {
namespace {

TEST(ApiKeys, RolesAreKnownByTheirWords) {
  for (const auto role : {Role::viewer, Role::operator_, Role::admin}) EXPECT_EQ(parse_role(to_string(role)), role);
  EXPECT_FALSE(parse_role("root"));
}

TEST(ApiKeys, AScopeIsByWhatAnOperatorSets) {
  EXPECT_TRUE(check_scope({}));
  EXPECT_TRUE(check_scope({"tag.site=lab", "hardware = gw-a", "channel=beta", "id~lab-*"}));
  for (const auto* wrong : {"version=1.0", "online=true", "last_seen=never", "link=poor", "outcome=failed", "attr.x=1",
                            "state=failed", "nonsense", "tag.site=a\nb", ""})
    EXPECT_EQ(check_scope({wrong}).error().code, Errc::malformed) << wrong;
  EXPECT_EQ(check_scope(std::vector<std::string>(17, "tag.a=b")).error().code, Errc::malformed);
}

}  // namespace
}  // namespace ota
