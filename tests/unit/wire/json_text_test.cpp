#include "ota/wire/json_text.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace ota::wire {
namespace {

std::string one(std::string_view text) {
  JsonText writer;
  writer.put("x", text);
  return writer.take();
}

TEST(JsonText, FieldsStandInTheirOrder) {
  JsonText inner;
  inner.put("a", "b");
  JsonText writer;
  writer.put("z", "text");
  writer.put("n", std::uint64_t{1} << 63);
  writer.put("m", -7);
  writer.put("yes", true);
  writer.put("no", false);
  writer.put_null("none");
  writer.put_raw("list", "[1,2]");
  writer.put_raw("inner", inner.take());
  EXPECT_EQ(
      writer.take(),
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
