#include "ddi/decode.hpp"

#include <gmock/gmock.h>

namespace ota::ddi {
namespace {

using testing::HasSubstr;

ActionReport feedback(std::string_view body) { return decode_feedback(body, 11).value(); }

TEST(DdiFeedback, AsSwupdateSendsIt) {
  const auto report = feedback(
      R"({"id":11,"time":"20260101T120000","status":{"result":{"progress":{"cnt":2,"of":5},"finished":"none"},)"
      R"("execution":"proceeding","details":["Installation in progress","Unzipping"]}})");
  EXPECT_EQ(report.action, 11);
  EXPECT_EQ(report.execution, Execution::proceeding);
  EXPECT_EQ(report.finished, Finished::none);
  EXPECT_EQ(report.text, "Installation in progress\nUnzipping\nstep 2 of 5");
  EXPECT_FALSE(report.of_cancel);
}

TEST(DdiFeedback, AsRaucHawkbitUpdaterSendsIt) {
  const auto report = feedback(
      R"({"id":"11","time":"20260101T120000","status":{"execution":"closed","result":{"finished":"success"},)"
      R"("details":["Software bundle installed successfully."]}})");
  EXPECT_EQ(report.execution, Execution::closed);
  EXPECT_EQ(report.finished, Finished::success);
  EXPECT_EQ(report.text, "Software bundle installed successfully.");
}

TEST(DdiFeedback, AsZephyrSendsIt) {
  const auto report = feedback(R"({"status":{"execution":"closed","result":{"finished":"success"}}})");
  EXPECT_EQ(report.execution, Execution::closed);
  EXPECT_EQ(report.text, "");
}

TEST(DdiFeedback, SomeMessagesAndACode) {
  const auto report = feedback(
      R"({"status":{"execution":"closed","result":{"finished":"failure"},"code":7,"details":"alone"},"more":[1]})");
  EXPECT_EQ(report.text, "alone\ncode 7");
  EXPECT_EQ(feedback(R"({"status":{"execution":"scheduled","result":{"finished":"none"},"details":[1,null,"x"]}})").text,
            "1\nnull\nx");
}

TEST(DdiFeedback, LongMessagesAreCut) {
  std::string body = R"({"status":{"execution":"closed","result":{"finished":"failure"},"details":[)";
  for (int i = 0; i < 100; ++i) body += (i ? ",\"" : "\"") + std::string(200, 'x') + "\"";
  const auto report = feedback(body + "]}}");
  EXPECT_EQ(report.text.size(), ActionReport::kMaxText);
}

TEST(DdiFeedback, WithoutEscapesTheFirstWordsCount) {
  const auto report = feedback(
      R"({"id":11,"time":"20260101T120000","status":{"result":{"progress":{"cnt":1,"of":1},"finished" : "failure"},)"
      R"("execution": "closed","details":["cannot open "/dev/mmcblk0": "execution":"proceeding""]}})");
  EXPECT_EQ(report.execution, Execution::closed);
  EXPECT_EQ(report.finished, Finished::failure);
  EXPECT_THAT(report.text, HasSubstr("cannot open \"/dev/mmcblk0\""));
}

TEST(DdiFeedback, WhatHasNoReadableEndIsRefused) {
  for (const auto* body :
       {"", "{", "[]", "1", "null", "{\"status\":", R"({"execution":"closed")", R"(xx "execution":"closed" "finished":"x")",
        R"("execution" "closed" "finished":"none" {)"}) {
    const auto report = decode_feedback(body, 11);
    ASSERT_FALSE(report) << body;
    EXPECT_EQ(report.error().code, Errc::bad_message) << body;
  }
}

TEST(DdiFeedback, MissingAndWrongFieldsAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "status"},
      {R"({"status":1})", "status"},
      {R"({"status":{"result":{"finished":"none"}}})", "status.execution"},
      {R"({"status":{"execution":"done","result":{"finished":"none"}}})", "status.execution"},
      {R"({"status":{"execution":5,"result":{"finished":"none"}}})", "status.execution"},
      {R"({"status":{"execution":"closed"}})", "status.result"},
      {R"({"status":{"execution":"closed","result":{}}})", "status.result"},
      {R"({"status":{"execution":"closed","result":{"finished":"maybe"}}})", "status.result.finished"}};
  for (const auto& [body, field] : cases) {
    const auto report = decode_feedback(body, 11);
    ASSERT_FALSE(report) << body;
    EXPECT_EQ(report.error().code, Errc::bad_message);
    EXPECT_THAT(report.error().message, HasSubstr("\"" + std::string(field) + "\"")) << body;
  }
}

TEST(DdiConfig, ModesAndData) {
  const auto config = decode_config(
      R"({"id":"","time":"20260101T120000","status":{"result":{"finished":"success"},"execution":"closed"},)"
      R"("data":{"hwRevision":"2","empty":"","gone":null},"mode":"replace"})").value();
  EXPECT_EQ(config.mode, AttributeReport::Mode::replace);
  EXPECT_EQ(config.values, (std::map<std::string, std::string>{{"hwRevision", "2"}, {"empty", ""}, {"gone", ""}}));
  EXPECT_EQ(decode_config(R"({"data":{"a":"b"}})").value().mode, AttributeReport::Mode::merge);
  EXPECT_TRUE(decode_config(R"({"data":{}})").value().values.empty());
}

TEST(DdiConfig, WrongOnesAreRefused) {
  std::string many = R"({"data":{"k":"v")";
  for (int i = 0; i < 100; ++i) many += ",\"k" + std::to_string(i) + "\":\"v\"";
  for (const std::string& body :
       {many + "}}", std::string("{"), std::string(R"({"mode":"add","data":{"a":"b"}})"), std::string(R"({"data":["a"]})"),
        std::string(R"({"data":{"a":1}})"), std::string(R"({"data":{"":"b"}})"), std::string(R"({"data":{"a\n":"b"}})"),
        R"({"data":{"a":")" + std::string(129, 'x') + "\"}}", R"({"data":{")" + std::string(129, 'x') + "\":\"\"}}"}) {
    const auto config = decode_config(body);
    ASSERT_FALSE(config) << body;
    EXPECT_EQ(config.error().code, Errc::bad_message);
  }
}

TEST(DdiInstalled, AVersionIsNeeded) {
  EXPECT_EQ(decode_installed(R"({"name":"app","version":"1.4.0"})").value(), "1.4.0");
  for (const auto* body : {"{}", R"({"version":1})", R"({"version":"../x"})", "x"})
    EXPECT_FALSE(decode_installed(body)) << body;
}

}  // namespace
}  // namespace ota::ddi
