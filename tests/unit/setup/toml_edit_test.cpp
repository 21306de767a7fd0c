#include "setup/toml_edit.hpp"

#include <gtest/gtest.h>

namespace ota::setup {
namespace {

TEST(WithValues, ReplacesTheLineAndKeepsTheRest) {
  const std::string text = "# ours\nshutdown_grace_s = 5\n\n[mqtt]\n# the broker\nurl = \"tcp://é:1\" # old\nqos = 1\n\n[http]\nhosts = [\n  \"a\",\n  \"b\",\n]\nlisten = \"0.0.0.0:1\"\n";
  const auto edited = with_values(text, {{"mqtt", "url", "\"tcp://127.0.0.1:1883\""}, {"http", "hosts", "[\"c\"]"}});
  ASSERT_TRUE(edited) << edited.error().message;
  EXPECT_EQ(*edited, "# ours\nshutdown_grace_s = 5\n\n[mqtt]\n# the broker\nurl = \"tcp://127.0.0.1:1883\"\nqos = 1\n\n[http]\nhosts = [\"c\"]\nlisten = \"0.0.0.0:1\"\n");
}

TEST(WithValues, AddsKeysAndSections) {
  const auto edited = with_values("[mqtt]\nqos = 1", {{"mqtt", "url", "\"u\""}, {"http", "tls_cert", "\"c\""},
                                                      {"http", "tls_key", "\"k\""}});
  ASSERT_TRUE(edited) << edited.error().message;
  EXPECT_EQ(*edited, "[mqtt]\nurl = \"u\"\nqos = 1\n\n[http]\ntls_key = \"k\"\ntls_cert = \"c\"\n");
  EXPECT_EQ(*with_values("", {{"a", "b", "1"}}), "\n[a]\nb = 1\n");
}

TEST(WithValues, ChangesNothingWhereNothingDiffers) {
  for (const auto* text : {"[a]\nb   =   'x' # mine\n", "a.b = 'x'\n", "a = {b = 'x'}\n"})
    EXPECT_EQ(*with_values(text, {{"a", "b", "\"x\""}}), text);
}

TEST(WithValues, RefusesWhatItCannotChangeSafely) {
  for (const auto* text : {"a = {b = 'x', c = 1}\n", "a.b = 'x'\n", "a = 1\n"}) {
    const auto edited = with_values(text, {{"a", "b", "\"y\""}});
    ASSERT_FALSE(edited) << *edited;
    EXPECT_EQ(edited.error().code, Errc::malformed);
    EXPECT_NE(edited.error().message.find("a.b = \"y\""), std::string::npos) << edited.error().message;
  }
  EXPECT_EQ(with_values("a = ", {{"a", "b", "1"}}).error().code, Errc::malformed);
}

TEST(TomlText, IsReadBackAsItWas) {
  EXPECT_EQ(toml_text("a\"b"), "\"a\\\"b\"");
  EXPECT_EQ(toml_list({"a", "b"}), "[\"a\", \"b\"]");
}

}  // namespace
}  // namespace ota::setup
