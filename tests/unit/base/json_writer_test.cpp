#include "ota/base/json_writer.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace ota {
namespace {

std::string one(std::string_view text) {
  JsonWriter json;
  json.put("x", text);
  return json.take();
}

TEST(JsonWriter, FieldsStandInTheirOrder) {
  JsonWriter inner;
  inner.put("a", "b");
  JsonWriter json;
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
  EXPECT_EQ(JsonWriter().take(), "{}");
}

TEST(JsonWriter, EveryTextReadsBackAsItWas) {
  for (int c = 0; c < 128; ++c) {
    const std::string text = std::string("a") + static_cast<char>(c) + "b";
    EXPECT_EQ(nlohmann::json::parse(one(text))["x"], text) << c;
  }
  EXPECT_EQ(nlohmann::json::parse(one("Größe ✓"))["x"], "Größe ✓");
  EXPECT_EQ(one(""), R"({"x":""})");
}

TEST(JsonWriter, WhatIsNotUtf8IsReplaced) {
  EXPECT_EQ(nlohmann::json::parse(one("a\xff\xc3"))["x"], "a\xef\xbf\xbd\xef\xbf\xbd");
}

}  // namespace
}  // namespace ota
