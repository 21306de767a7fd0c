#include "ota/wire/json_fields.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>
#include <string>

namespace ota::wire {
namespace {

using testing::HasSubstr;

JsonFields fields_of(std::string_view text) {
  auto fields = JsonFields::parse(text, Errc::malformed);
  EXPECT_TRUE(fields) << text;
  return std::move(*fields);
}

std::string refusal_of(std::string_view text, const JsonLimits& limits = {}) {
  const auto fields = JsonFields::parse(text, Errc::malformed, limits);
  if (fields) return "";
  EXPECT_EQ(fields.error().code, Errc::malformed);
  return fields.error().message;
}

TEST(JsonFields, RefusesWhatIsNoObject) {
  for (const auto* text : {"", " ", "nonsense", "[]", "null", "1", "\"x\"", "{", "{}{}", "{\"a\":}", "{\"a\":1,}",
                           "{'a':1}", "{\"a\":01}", "{\"a\":NaN}", "{\"a\":1e999}", "{\"a\":\"\x01\"}"})
    EXPECT_NE(refusal_of(text), "") << text;
  EXPECT_NE(refusal_of(std::string_view("{}\0", 3)), "");
  EXPECT_NE(refusal_of(std::string_view("{}\0{}", 5)), "");
}

TEST(JsonFields, RefusesBrokenUtf8) {
  for (const auto* text : {"{\"a\":\"\xff\"}", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"\xfe\":1}",
                           "{\"a\":\"\\ud800\"}", "{\"a\":\"\xe2\x82\"}"})
    EXPECT_THAT(refusal_of(text), HasSubstr("not valid JSON"));
}

TEST(JsonFields, MendsTheStringsOfDevices) {
  JsonLimits limits;
  limits.lenient = true;
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"line 1\nline 2\x1b[0m", "line 1\nline 2\x1b[0m"},
      {"C:\\data \\d \\", "C:\\data \\d \\"},
      {"\xff\xc0\x80", "\uFFFD\uFFFD\uFFFD"},
      {"\\ud800 \\udc00\\ud800", "\uFFFD \uFFFD\uFFFD"},
      {"\\u12", "\\u12"},
  };
  for (const auto& [raw, read] : cases) {
    const auto text = fmt::format("{{\"reason\":\"{}\x01\",\"state\":\"failed\"}}", raw);
    auto fields = JsonFields::parse(text, Errc::malformed, limits);
    ASSERT_TRUE(fields) << text;
    EXPECT_EQ(fields->text("reason", 100), std::string(read) + "\x01");
    EXPECT_EQ(fields->text("state", 100), "failed");
    EXPECT_NE(refusal_of(text), "") << "only devices' messages";
  }
  const auto* whole = "{\"a\":\"\\ud83d\\ude00 \xc3\xa9 \\\" \x02\"}";
  EXPECT_EQ(JsonFields::parse(whole, Errc::malformed, limits)->text("a", 100), "\xf0\x9f\x98\x80 \xc3\xa9 \" \x02");
  for (const auto* text : {"{\"a\":\"\n", "{\"a\" \n: tru}", "{\"a\":\"\n\",}", "{\"a\":1,\"a\":\"\n\"}"})
    EXPECT_NE(refusal_of(text, limits), "") << text;
}

TEST(JsonFields, RefusesTwiceTheSameField) {
  EXPECT_THAT(refusal_of(R"({"a":1,"b":2,"a":1})"), HasSubstr("\"a\" occurs twice"));
  EXPECT_THAT(refusal_of(R"({"a":{"b":1,"b":2}})"), HasSubstr("\"b\" occurs twice"));
  EXPECT_THAT(refusal_of(R"({"a":1,"\u0061":2})"), HasSubstr("twice"));
  EXPECT_EQ(refusal_of(R"({"a":{"a":1},"b":{"a":2}})"), "");
}

TEST(JsonFields, KeepsItsLimits) {
  EXPECT_EQ(refusal_of("{\"a\":[[[[[[[]]]]]]]}"), "");
  EXPECT_THAT(refusal_of("{\"a\":[[[[[[[[]]]]]]]]}"), HasSubstr("8 levels"));
  EXPECT_THAT(refusal_of("{\"a\":" + std::string(30'000, '[')), HasSubstr("levels"));
  EXPECT_THAT(refusal_of("{\"a\":\"" + std::string(70'000, 'x') + "\"}"), HasSubstr("more than 65536"));
  EXPECT_THAT(refusal_of("{\"a\":[1,2,3,4]}", {1000, 8, 5}), HasSubstr("more than 5 values"));
  EXPECT_EQ(refusal_of("{\"a\":[1,2,3]}", {1000, 8, 5}), "");
}

TEST(JsonFields, ParseErrorsDoNotQuoteTheText) {
  EXPECT_THAT(refusal_of("{\"token\":\"secret\" nonsense}"), testing::Not(HasSubstr("nonsense")));
}

TEST(JsonFields, IntegersAreIntegers) {
  for (const auto* good : {"1", "512", "65536"}) {
    auto fields = fields_of(std::string("{\"n\":") + good + "}");
    EXPECT_EQ(fields.integer("n", 1, 65536), std::stoll(good));
    EXPECT_TRUE(fields.check(Errc::malformed));
  }
  for (const auto* bad : {"0", "-1", "65537", "1.0", "1e2", "\"1\"", "true", "null", "[1]", "{}", "9223372036854775807",
                          "9223372036854775808", "18446744073709551616", "-9223372036854775809"}) {
    auto fields = fields_of(std::string("{\"n\":") + bad + "}");
    EXPECT_FALSE(fields.integer("n", 1, 65536)) << bad;
    const auto checked = fields.check(Errc::malformed);
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().message, "\"n\" must be an integer from 1 to 65536");
  }
}

TEST(JsonFields, IntegersAtTheEndsOfTheType) {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  auto fields = fields_of(R"({"a":9223372036854775807,"b":-9223372036854775808,"c":5})");
  EXPECT_EQ(fields.integer("a", kMin, kMax), kMax);
  EXPECT_EQ(fields.integer("b", kMin, kMax), kMin);
  EXPECT_FALSE(fields.integer("c", kMin, -1));
}

TEST(JsonFields, EachGetterNamesWhatIsWrong) {
  auto fields = fields_of(R"({"t":1,"long":"xxxxx","b":"true","n":"1","l":["a",2],"m":{"k":1},"r":[[2,1]]})");
  EXPECT_FALSE(fields.text("t", 10));
  EXPECT_FALSE(fields.text("long", 4));
  EXPECT_FALSE(fields.boolean("b"));
  EXPECT_FALSE(fields.number("n", 0, 1));
  EXPECT_FALSE(fields.texts("l", 10, 10));
  EXPECT_FALSE(fields.text_map("m", 10, 10, 10));
  EXPECT_FALSE(fields.ranges("r", 1, 10));
  fields.require("gone");
  fields.refuse_unknown({"t", "long", "b", "n", "l", "m"});
  const auto checked = fields.check(Errc::malformed);
  ASSERT_FALSE(checked);
  std::vector<std::string> names;
  for (const auto& field : checked.error().fields) names.push_back(field.field);
  EXPECT_THAT(names, testing::ElementsAre("t", "long", "b", "n", "l[1]", "m.k", "r[0]", "gone", "r"));
}

TEST(JsonFields, MissingFieldsAreNoErrors) {
  auto fields = fields_of("{}");
  EXPECT_FALSE(fields.text("a", 1));
  EXPECT_FALSE(fields.integer("a", 0, 1));
  EXPECT_FALSE(fields.boolean("a"));
  EXPECT_FALSE(fields.text_map("a", 1, 1, 1));
  EXPECT_TRUE(fields.check(Errc::malformed));
}

TEST(JsonFields, UnknownOnesAreAnsweredWithWhatThereIs) {
  auto fields = fields_of(R"({"prioritty":"low"})");
  fields.refuse_unknown({"priority", "hardware"});
  const auto checked = fields.check(Errc::malformed);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().message,
            "\"prioritty\" is unknown (did you mean priority?); known are priority, hardware");
  EXPECT_EQ(unknown_name("x", {}), "is unknown; no fields are accepted");
}

TEST(JsonFields, NullIsBlankOnlyForDevices) {
  auto strict = fields_of(R"({"t":null,"e":""})");
  EXPECT_TRUE(strict.is_null("t"));
  EXPECT_FALSE(strict.is_null("e"));
  EXPECT_FALSE(strict.is_null("gone"));
  EXPECT_EQ(strict.text("e", 1), "");
  EXPECT_FALSE(strict.text("t", 1));
  EXPECT_FALSE(strict.check(Errc::malformed));
  JsonLimits limits;
  limits.lenient = true;
  auto lenient =
      JsonFields::parse(R"({"t":null,"e":"","l":[],"o":{},"z":0,"f":false})", Errc::malformed, limits).value();
  for (const auto* name : {"t", "e", "l", "o"}) EXPECT_FALSE(lenient.has(name)) << name;
  for (const auto* name : {"z", "f"}) EXPECT_TRUE(lenient.has(name)) << name;
}

TEST(JsonFields, LongNamesAreCutAtACharacter) {
  EXPECT_THAT(refusal_of("{\"" + std::string(63, 'k') + "é\":1,\"" + std::string(63, 'k') + "é\":1}"),
              HasSubstr("\"" + std::string(63, 'k') + "…\""));
}

TEST(JsonFields, ListsAndMapsAreRead) {
  auto fields = fields_of(R"({"l":["a","b"],"m":{"x":"1","y":null},"b":false,"r":[[0,0],[3,65535]]})");
  EXPECT_EQ(fields.texts("l", 2, 1), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(fields.text_map("m", 2, 1, 1), (JsonFields::TextMap{{"x", "1"}, {"y", std::nullopt}}));
  EXPECT_EQ(fields.boolean("b"), false);
  EXPECT_EQ(fields.ranges("r", 1, 2), (ChunkRanges{{0, 0}, {3, 65535}}));
  EXPECT_TRUE(fields.check(Errc::malformed));
}

TEST(JsonFields, ObjectsInListsAreReadWithTheirPlaces) {
  auto fields = JsonFields::parse(R"({"list": ["25%", 40, {"to": "x", "y": 1}], "one": {"to": 5}, "wrong": [{}, true],
                                      "many": [{}, {}, {}, {}]})",
                                  Errc::malformed)
                    .value();
  auto list = fields.objects("list", 3, "to").value();
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].text("to", 9), "25%");
  EXPECT_EQ(list[1].integer("to", 0, 99), 40);
  EXPECT_EQ(fields.objects("one", 3)->at(0).integer("to", 0, 99), 5);
  EXPECT_FALSE(fields.objects("none", 3));
  EXPECT_TRUE(fields.check(Errc::malformed));
  list[2].refuse_unknown({"to"});
  fields.errors().add_nested("list[2]", list[2].errors());
  EXPECT_FALSE(fields.objects("wrong", 3));
  EXPECT_FALSE(fields.objects("list", 3)) << "no short form";
  EXPECT_FALSE(fields.objects("many", 3));
  std::vector<std::string> named;
  for (const auto& error : fields.check(Errc::malformed).error().fields) named.push_back(error.field);
  EXPECT_EQ(named, (std::vector<std::string>{"list[2].y", "wrong[1]", "list[0]", "many"}));
}

TEST(JsonFields, ManyErrorsAreCountedNotKept) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += "\"" + std::string(100, 'k') + std::to_string(i) + "\":1,";
  text.back() = '}';
  auto fields = JsonFields::parse(text, Errc::malformed, {1 << 20, 8, 20'000});
  ASSERT_TRUE(fields);
  fields->refuse_unknown({});
  const auto checked = fields->check(Errc::malformed);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().fields.size(), 16u);
  EXPECT_THAT(checked.error().message, HasSubstr("and 984 more"));
  EXPECT_LT(checked.error().message.size(), 3000u);
}

TEST(JsonFields, RandomBytesNeverBreakIt) {
  std::mt19937 random(7);
  constexpr std::string_view kAlphabet = "{}[]\":,0123456789.eE+-truefalsn \\u\xff\xc3\xa4\n";
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 60, ' ');
    for (auto& c : text) c = round % 2 ? kAlphabet[random() % kAlphabet.size()] : static_cast<char>(random());
    auto fields = JsonFields::parse(text, Errc::bad_message);
    if (!fields) {
      EXPECT_EQ(fields.error().code, Errc::bad_message);
    }
  }
}

}  // namespace
}  // namespace ota::wire
