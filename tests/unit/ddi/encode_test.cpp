#include "ddi/encode.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ddi/poll_interval.hpp"

namespace ota::ddi {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

const DeviceUrl kUrl = "http://gw:8080/DEFAULT/controller/v1/gw-17";

Firmware firmware() {
  Firmware f;
  f.id = 7;
  f.version = "1.4.2";
  f.hardware = "gw-a";
  f.size = 245'760;
  f.checksum.fill(0xab);
  FirmwareFile file;
  file.name = "gw-a-1.4.2.swu";
  file.sha1.fill(0x01);
  file.md5.fill(0x02);
  f.file = file;
  return f;
}

TEST(DdiPollJson, IdleHasNoLinks) {
  EXPECT_EQ(poll_json({}, kUrl, 300s), R"({"config":{"polling":{"sleep":"00:05:00"}}})");
}

TEST(DdiPollJson, Links) {
  engine::PollAnswer answer;
  answer.install = 11;
  answer.installed = 12;
  answer.wants_attributes = true;
  const auto poll = json::parse(poll_json(answer, kUrl, 30s));
  EXPECT_EQ(poll["config"]["polling"]["sleep"], "00:00:30");
  EXPECT_EQ(poll["_links"]["deploymentBase"]["href"], kUrl + "/deploymentBase/11?c=11");
  EXPECT_EQ(poll["_links"]["configData"]["href"], kUrl + "/configData");
  EXPECT_EQ(poll["_links"]["installedBase"]["href"], kUrl + "/installedBase/12");
  EXPECT_FALSE(poll["_links"].contains("cancelAction"));
  answer = {};
  answer.cancel = 11;
  EXPECT_EQ(json::parse(poll_json(answer, kUrl, 30s))["_links"],
            json({{"cancelAction", {{"href", kUrl + "/cancelAction/11"}}}}));
}

TEST(DdiDeployment, WhatEachClientInsistsOn) {
  engine::ActionView view;
  view.action.id = 11;
  view.firmware = firmware();
  const auto text = deployment_json(view, kUrl, false);
  EXPECT_LT(text.size(), 1'100u) << "Zephyr's buffer";
  const auto base = json::parse(text);
  EXPECT_EQ(base["id"], "11") << "a string";
  EXPECT_FALSE(base.contains("actionHistory"));
  EXPECT_EQ(base["deployment"]["download"], "forced");
  EXPECT_EQ(base["deployment"]["update"], "forced");
  ASSERT_EQ(base["deployment"]["chunks"].size(), 1u);
  const auto& chunk = base["deployment"]["chunks"][0];
  EXPECT_EQ(chunk["part"], "bApp");
  EXPECT_EQ(chunk["version"], "1.4.2");
  EXPECT_EQ(chunk["name"], "gw-a");
  ASSERT_EQ(chunk["artifacts"].size(), 1u);
  const auto& artifact = chunk["artifacts"][0];
  EXPECT_EQ(artifact["filename"], "gw-a-1.4.2.swu");
  EXPECT_TRUE(artifact["size"].is_number_integer());
  EXPECT_EQ(artifact["size"], 245'760);
  EXPECT_EQ(artifact["hashes"]["sha1"], std::string("0101010101010101010101010101010101010101"));
  EXPECT_EQ(artifact["hashes"]["md5"], std::string("02020202020202020202020202020202"));
  EXPECT_EQ(artifact["hashes"]["sha256"].get<std::string>().size(), 64u);
  const auto href = kUrl + "/softwaremodules/7/artifacts/gw-a-1.4.2.swu";
  EXPECT_EQ(artifact["_links"]["download"]["href"], href);
  EXPECT_EQ(artifact["_links"]["download-http"]["href"], href);
  EXPECT_EQ(artifact["_links"]["md5sum"]["href"], href + ".MD5SUM");
  EXPECT_EQ(artifact["_links"]["md5sum-http"]["href"], href + ".MD5SUM");
  EXPECT_EQ(json::parse(artifacts_json(view.firmware, kUrl)), json::array({artifact}));
}

TEST(DdiDeployment, History) {
  engine::ActionView view;
  view.action.id = 11;
  view.firmware = firmware();
  view.firmware.hardware.clear();
  view.messages = {"newest \"quoted\"", "older"};
  const auto base = json::parse(deployment_json(view, kUrl, true));
  EXPECT_EQ(base["actionHistory"]["status"], "RUNNING");
  EXPECT_EQ(base["actionHistory"]["messages"], json({"newest \"quoted\"", "older"}));
  EXPECT_EQ(base["deployment"]["chunks"][0]["name"], "firmware");
}

TEST(DdiCancelJson, IdsAreStrings) {
  EXPECT_EQ(json::parse(cancel_json(11)), json({{"id", "11"}, {"cancelAction", {{"stopId", "11"}}}}));
}

TEST(DdiMd5, TwoSpaces) {
  EXPECT_EQ(md5sum(*firmware().file), "02020202020202020202020202020202  gw-a-1.4.2.swu");
}

TEST(DdiConfirmation, IsOff) {
  const auto off = json::parse(confirmation_json(kUrl));
  EXPECT_EQ(off["autoConfirm"], json({{"active", false}}));
  EXPECT_EQ(off["_links"]["activateAutoConfirm"]["href"], kUrl + "/confirmationBase/activateAutoConfirm");
}

TEST(DdiPollInterval, EightCharacters) {
  EXPECT_EQ(to_hms(30s), "00:00:30");
  EXPECT_EQ(to_hms(3'661s), "01:01:01");
  EXPECT_EQ(to_hms(kLongestPoll), "23:59:59");
}

TEST(DdiPollInterval, SpreadWithinItsBounds) {
  EXPECT_EQ(spread(300s, 0), 225s);
  EXPECT_EQ(spread(300s, 0.5), 255s);
  EXPECT_EQ(spread(300s, 1), 285s);
  EXPECT_EQ(spread(30s, 0), kShortestPoll);
  EXPECT_EQ(spread(30s, 1), 36s);
  EXPECT_LT(spread(kLongestPoll, 1), kLongestPoll);
}

}  // namespace
}  // namespace ota::ddi
