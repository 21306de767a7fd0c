#include "ota/wire/json_text.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace ota::wire {
namespace {

std::string one(std::string_view text) {
  JsonText json;
  json.put("x", text);
  return json.take();
}

TEST(JsonText, FieldsStandInTheirOrder) {
  JsonText inner;
  inner.put("a", "b");
  JsonText json;
  json.put("z", "text");
  json.put("n", std::uint64_t{1} << 63);
  json.put("m", -7);
  json.put("yes", true);
  json.put("no", false);
  json.put_null("none");
  json.put_raw("list", "[1,2]");
  json.put_raw("inner", inner.take());
  EXPECT_EQ(
      json.take(),
      R"({"z":"text","n":9223372036854775808,"m":-7,"yes":true,"no":false,"none":null,"list":[1,2],"inner":{"a":"b"}})");
  EXPECT_EQ(JsonText().take(), "{}");
}

TEST(JsonText, EveryTextReadsBackAsItWas) {
  for (int c = 0; c < 128; ++c) {
    const std::string text = std::string("a") + static_cast<char>(c) + "b";
    EXPECT_EQ(nlohmann::json::parse(one(text))["x"], text) << c;
  }
  EXPECT_EQ(nlohmann::json::parse(one("Größe ✓"))["x"], "Größe ✓");
  EXPECT_EQ(one(""), R"({"x":""})");
}

TEST(JsonText, WhatIsNotUtf8IsReplaced) {
  EXPECT_EQ(nlohmann::json::parse(one("a\xff\xc3"))["x"], "a\xef\xbf\xbd\xef\xbf\xbd");
}

}  // namespace
}  // namespace ota::wire
