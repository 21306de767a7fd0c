#include "otactl/completion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "otactl/manual.hpp"

namespace ota::otactl {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

Completes completes(const std::vector<std::string>& words) {
  const auto place = place_of(words);
  return place.parameter ? place.parameter->completes : Completes::nothing;
}

TEST(PlaceOf, NamesNounsVerbsAndOptions) {
  EXPECT_THAT(place_of({""}).words, Contains("rollout"));
  EXPECT_THAT(place_of({""}).words, Contains("status"));
  EXPECT_THAT(place_of({""}).words, Not(Contains("manual")));  // hidden
  EXPECT_THAT(place_of({"rollout", ""}).words, Contains("start"));
  EXPECT_THAT(place_of({"rollout", "start", "--"}).words, Contains("--stages"));
  EXPECT_THAT(place_of({"rollout", "start", "--"}).words, Contains("--context"));
  EXPECT_THAT(place_of({"completion", ""}).words, ElementsAre("bash", "zsh", "fish"));
  EXPECT_THAT(place_of({"-o", ""}).words, ElementsAre("table", "json", "wide"));
  EXPECT_THAT(place_of({}).words, Contains("device"));
}

TEST(PlaceOf, FindsTheParameterWhoseValueComes) {
  EXPECT_EQ(completes({"device", "show", "gw-"}), Completes::device);
  EXPECT_EQ(completes({"rollout", "start", ""}), Completes::channel);
  EXPECT_EQ(completes({"rollout", "start", "stable", ""}), Completes::version);
  EXPECT_EQ(completes({"rollout", "start", "--yes", "stable", "--hardware", ""}), Completes::hardware);
  EXPECT_EQ(completes({"rollout", "start", "--stages", "1,2", "stable", ""}), Completes::version);
  EXPECT_EQ(completes({"rollout", "retry", "RO_1", "gw-1", "gw-2", ""}), Completes::device);  // repeated
  EXPECT_EQ(completes({"upgrade", "gw-1", ""}), Completes::version);
  EXPECT_EQ(completes({"firmware", "upload", ""}), Completes::file);
  EXPECT_EQ(completes({"device", "show", "gw-1", ""}), Completes::nothing);
  EXPECT_EQ(place_of({"nothing", "like", "this"}).verb, nullptr);
}

TEST(PlaceOf, KeepsTheOptionsThatChooseTheServer) {
  EXPECT_THAT(place_of({"--context", "lab", "device", "show", ""}).options, ElementsAre(Pair("context", "lab")));
  EXPECT_THAT(place_of({"device", "show", "--context"}).options, IsEmpty());
}

TEST(Tables, HaveNamesOnceAndAHelpForEachParameter) {
  for (const auto& noun : nouns()) {
    std::set<std::string_view> verbs;
    for (const auto& verb : noun.verbs) {
      EXPECT_TRUE(verbs.insert(verb.name).second) << noun.name << " " << verb.name;
      EXPECT_NE(verb.run, nullptr);
      std::set<std::string_view> names;
      for (const auto& common : common_options()) names.insert(common.name);
      for (const auto& parameter : verb.parameters) {
        // A context is made of the options that choose one.
        EXPECT_TRUE(names.insert(parameter.name).second) << verb.name << " " << parameter.name;
        EXPECT_FALSE(parameter.help.empty()) << verb.name << " " << parameter.name;
        EXPECT_FALSE(parameter.help.ends_with('.')) << parameter.help;
      }
    }
  }
}

TEST(ManPage, HasNoLineThatIsARequestByAccident) {
  const auto page = man_page();
  std::size_t at = 0;
  while (at < page.size()) {
    const auto end = std::min(page.find('\n', at), page.size());
    const auto line = std::string_view(page).substr(at, end - at);
    if (line.starts_with('.')) {
      EXPECT_TRUE(line.starts_with(".TH ") || line.starts_with(".SH ") || line.starts_with(".SS ") || line == ".TP" ||
                  line == ".PP" || line == ".RS" || line == ".RE" || line.starts_with(".B ") || line.starts_with(".I "))
          << line;
    }
    at = end + 1;
  }
}

}  // namespace
}  // namespace ota::otactl
