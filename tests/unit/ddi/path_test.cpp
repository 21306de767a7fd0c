#include "ddi/path.hpp"

#include <gtest/gtest.h>

namespace ota::ddi {
namespace {

constexpr std::string_view kBase = "/DEFAULT/controller/v1/gw-17";

Resource resource_of(std::string_view rest) { return parse_path(std::string(kBase) + std::string(rest)).value().resource; }

TEST(DdiPath, EveryResource) {
  EXPECT_EQ(resource_of(""), Resource::poll);
  EXPECT_EQ(resource_of("/configData"), Resource::config_data);
  EXPECT_EQ(resource_of("/deploymentBase/11"), Resource::deployment);
  EXPECT_EQ(resource_of("/deploymentBase/11/feedback"), Resource::deployment_feedback);
  EXPECT_EQ(resource_of("/cancelAction/11"), Resource::cancel);
  EXPECT_EQ(resource_of("/cancelAction/11/feedback"), Resource::cancel_feedback);
  EXPECT_EQ(resource_of("/softwaremodules/7/artifacts"), Resource::artifacts);
  EXPECT_EQ(resource_of("/softwaremodules/7/artifacts/a.swu"), Resource::artifact);
  EXPECT_EQ(resource_of("/softwaremodules/7/artifacts/a.swu.MD5SUM"), Resource::artifact_md5);
  EXPECT_EQ(resource_of("/softwaremodules/7/artifacts/.MD5SUM"), Resource::artifact);
  EXPECT_EQ(resource_of("/installedBase/11"), Resource::installed);
  EXPECT_EQ(resource_of("/installedBase"), Resource::installed_base);
  EXPECT_EQ(resource_of("/confirmationBase"), Resource::confirmation_base);
  EXPECT_EQ(resource_of("/confirmationBase/11"), Resource::confirmation);
  EXPECT_EQ(resource_of("/confirmationBase/11/feedback"), Resource::confirmation_feedback);
  EXPECT_EQ(resource_of("/confirmationBase/activateAutoConfirm"), Resource::activate_auto_confirm);
  EXPECT_EQ(resource_of("/confirmationBase/deactivateAutoConfirm"), Resource::deactivate_auto_confirm);
}

TEST(DdiPath, WhatIsInIt) {
  const auto path = parse_path("/default/controller/v1/a%3Ab/softwaremodules/42/artifacts/x%2B1.bin.MD5SUM").value();
  EXPECT_EQ(path.tenant, "default") << "as the client spells it";
  EXPECT_EQ(path.controller, "a:b");
  EXPECT_EQ(path.number, 42);
  EXPECT_EQ(path.file, "x+1.bin");
}

TEST(DdiPath, NumbersThatNobodyCanHave) {
  EXPECT_EQ(parse_path(std::string(kBase) + "/deploymentBase/99999999999999999999").value().number, -1);
  for (const auto* number : {"", "-1", "1x", "0x10", "%00"})
    EXPECT_FALSE(parse_path(std::string(kBase) + "/deploymentBase/" + number)) << number;
}

TEST(DdiPath, WhatHawkBitDoesNotHave) {
  for (const auto* rest : {"/", "/nothing", "/deploymentBase", "/deploymentBase/11/", "/deploymentBase/11/feedback/x",
                           "/softwaremodules/7", "/softwaremodules/7/artifacts/", "/softwaremodules/7/artifacts/a/b",
                           "/softwaremodules/7/artifacts/%2e%2e"})
    EXPECT_FALSE(parse_path(std::string(kBase) + rest)) << rest;
  EXPECT_FALSE(parse_path("/DEFAULT/controller/v1"));
  EXPECT_FALSE(parse_path("/DEFAULT/controller/v1/"));
}

TEST(DdiPath, OnlyPathsOfThatForm) {
  for (const auto* path : {"/DEFAULT/controller/v1/x", "/x/controller/v1", "/x/controller/v1/", "//controller/v1/y"})
    EXPECT_TRUE(is_ddi_path(path)) << path;
  for (const auto* path : {"", "/", "/controller/v1/x", "/tasks", "/x/controller/v10/y", "/x/controller/v2/y",
                           "/a/b/controller/v1/c", "x/controller/v1/y"})
    EXPECT_FALSE(is_ddi_path(path)) << path;
}

TEST(DdiPath, Methods) {
  using http::Method;
  EXPECT_TRUE(allows(Resource::poll, Method::get));
  EXPECT_TRUE(allows(Resource::artifact, Method::head));
  EXPECT_FALSE(allows(Resource::poll, Method::post));
  EXPECT_TRUE(allows(Resource::config_data, Method::put));
  EXPECT_FALSE(allows(Resource::config_data, Method::post));
  EXPECT_TRUE(allows(Resource::deployment_feedback, Method::post));
  EXPECT_FALSE(allows(Resource::deployment_feedback, Method::put));
}

}  // namespace
}  // namespace ota::ddi
