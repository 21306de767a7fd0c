#include "ota/domain/version.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

namespace ota {
namespace {

using Versions = std::vector<std::string>;

bool less(const std::string& a, const std::string& b) { return compare_versions(a, b) < 0; }

std::string random_text(std::mt19937& random, std::string_view alphabet, std::size_t longest) {
  std::string text(1 + random() % longest, ' ');
  for (auto& c : text) c = alphabet[random() % alphabet.size()];
  return text;
}

/// A few values each, so that many are equal in one part and differ in the next.
std::string random_semver(std::mt19937& random) {
  static const Versions numbers{"0", "1", "2", "10", "99999999999999999999999", "100000000000000000000000"};
  static const Versions ids{"0",  "1",   "9", "10",  "alpha", "beta",
                            "rc", "rc1", "-", "a-b", "0a",    "123456789012345678901"};
  const auto pick = [&](const Versions& from) { return from[random() % from.size()]; };
  auto text = (random() % 4 == 0 ? "v" : "") + pick(numbers) + '.' + pick(numbers) + '.' + pick(numbers);
  for (auto n = random() % 4, i = n; i > 0; --i) text += (i == n ? '-' : '.') + pick(ids);
  if (random() % 3 == 0) text += "+build." + std::to_string(random() % 100);
  return text;
}

/// Whatever is compared, the order must be one: sorting and then comparing each with each must agree.
void expect_weak_ordering(Versions versions) {
  std::sort(versions.begin(), versions.end(), less);
  for (std::size_t i = 0; i < versions.size(); ++i) {
    EXPECT_TRUE(compare_versions(versions[i], versions[i]) == 0);
    for (std::size_t j = i + 1; j < versions.size(); ++j) {
      const auto order = compare_versions(versions[i], versions[j]);
      ASSERT_TRUE(order <= 0) << versions[i] << ' ' << versions[j];
      ASSERT_TRUE(0 <=> order == compare_versions(versions[j], versions[i])) << versions[i] << ' ' << versions[j];
      // Equivalence is transitive: equal to a later one means equal to all between.
      if (order == 0) {
        ASSERT_TRUE(compare_versions(versions[j - 1], versions[j]) == 0) << versions[j - 1] << ' ' << versions[j];
      }
    }
  }
}

/// The lines as the real `sort -V` puts them; those that it holds for equal stay in the order given.
Versions system_sort(const Versions& lines) {
  const auto base = std::filesystem::temp_directory_path() / ("ota-version-test-" + std::to_string(::getpid()));
  const auto in = base.string() + ".in";
  const auto out = base.string() + ".out";
  {
    std::ofstream file(in);
    for (const auto& line : lines) file << line << '\n';
  }
  EXPECT_EQ(std::system(("LC_ALL=C sort -V -s -o '" + out + "' '" + in + "'").c_str()), 0);
  Versions sorted;
  std::ifstream file(out);
  for (std::string line; std::getline(file, line);) sorted.push_back(line);
  std::filesystem::remove(in);
  std::filesystem::remove(out);
  return sorted;
}

TEST(Version, Valid) {
  const Versions good{"1", "1.4.0", "v1.2.3-rc.1+build", "2026.11~rc1", "1:2.3-4", "r_12", "~1", std::string(128, '1')};
  for (const auto& text : good) EXPECT_TRUE(valid_version(text)) << text;
  const Versions bad{"",
                     ".1",
                     "-1",
                     "1..2",
                     "..",
                     "1/2",
                     "1 2",
                     "1\n",
                     "1\\2",
                     "\xc3\xbc",
                     "1%2",
                     std::string(129, '1'),
                     std::string(10'000, '1')};
  for (const auto& text : bad) EXPECT_FALSE(valid_version(text)) << text;
  EXPECT_FALSE(valid_version(std::string_view("1\0002", 3)));
}

TEST(Version, SemVerPrecedence) {
  // SemVer 2.0, section 11, and numbers beyond 64 bits.
  const Versions ascending{"0.9.9",
                           "1.0.0-0",
                           "1.0.0-9",
                           "1.0.0-10",
                           "1.0.0-18446744073709551616",
                           "1.0.0-18446744073709551617",
                           "1.0.0--",
                           "1.0.0-Alpha",
                           "1.0.0-alpha",
                           "1.0.0-alpha.1",
                           "1.0.0-alpha.1.0",
                           "1.0.0-alpha.beta",
                           "1.0.0-beta",
                           "1.0.0-beta.2",
                           "1.0.0-beta.11",
                           "1.0.0-rc.1",
                           "1.0.0",
                           "1.0.1",
                           "1.2.0",
                           "1.10.0",
                           "2.0.0",
                           "2.1.0",
                           "2.1.1",
                           "10.0.0",
                           "18446744073709551615.0.0",
                           "18446744073709551616.0.0",
                           "100000000000000000000000000.0.0"};
  for (std::size_t i = 0; i < ascending.size(); ++i)
    for (std::size_t j = 0; j < ascending.size(); ++j)
      EXPECT_TRUE(compare_versions(ascending[i], ascending[j]) == (i <=> j)) << ascending[i] << ' ' << ascending[j];
}

TEST(Version, BuildMetadataAndLeadingVDoNotCount) {
  EXPECT_TRUE(compare_versions("1.2.3+a", "1.2.3+b.4") == 0);
  EXPECT_TRUE(compare_versions("1.2.3+001", "1.2.3") == 0);
  EXPECT_TRUE(compare_versions("v1.2.3", "1.2.3") == 0);
  EXPECT_TRUE(compare_versions("v1.2.3-rc+x", "1.2.3-rc") == 0);
}

TEST(Version, WhatIsNotSemVerGoesAsSortVersionDoes) {
  // Each first text is nearly SemVer; as SemVer these would compare the other way round or equal.
  EXPECT_TRUE(compare_versions("1.0-rc1", "1.0") > 0);
  EXPECT_TRUE(compare_versions("1.0.0.0-rc1", "1.0.0.0") > 0);
  EXPECT_TRUE(compare_versions("01.0.0-rc1", "01.0.0") > 0);
  EXPECT_TRUE(compare_versions("1.0.0-01", "1.0.0") > 0);
  EXPECT_TRUE(compare_versions("1.0.0-a..b", "1.0.0") > 0);
  EXPECT_TRUE(compare_versions("1.0.0-", "1.0.0") > 0);
  EXPECT_TRUE(compare_versions("1.0.0+", "1.0.0") > 0);
  EXPECT_TRUE(compare_versions("1.0.0+a_b", "1.0.0") > 0);
  EXPECT_TRUE(compare_versions("vv1.0.0-rc", "vv1.0.0") > 0);
  EXPECT_TRUE(compare_versions("1.0.0~rc1", "1.0.0") < 0);
  EXPECT_TRUE(compare_versions("2026.9", "2026.11") < 0);
  EXPECT_TRUE(compare_versions("1.01", "1.1") == 0);
  EXPECT_TRUE(compare_versions("", "") == 0);
  EXPECT_TRUE(compare_versions("", "1") < 0);
}

TEST(Version, AgreesWithSortVersion) {
  std::mt19937 random(20261122);
  static const Versions heads{"1", "1.0", "1.1", "a", "a1", "0", "00", "x~", "2-", "1.01"};
  static const Versions tails{"",     ".tar", ".tar.gz", ".~",    ".a1",  ".1", ".1a",
                              ".a.1", "~",    ".",       ".bin~", ".BIN", "a",  "-rc.1"};
  Versions versions{".", "..", ".a", "..a", "...", "~", "a.~", "1.0.tar.gz", "1.0.tar", "1.0", "1.0.1.tar.gz"};
  // Texts that are SemVer are ordered otherwise; none begins with one of these.
  const auto add = [&](const std::string& text) { versions.push_back(std::string(1, "x~._"[random() % 4]) + text); };
  for (int i = 0; i < 1500; ++i) add(random_text(random, "01.a~", 8));
  for (int i = 0; i < 1500; ++i) add(random_text(random, "0129.-_+:~abAZ", 12));
  for (int i = 0; i < 1500; ++i) add(random_text(random, "0.", 5));
  for (int i = 0; i < 1500; ++i) {
    auto text = heads[random() % heads.size()];
    for (auto n = random() % 4; n > 0; --n) text += tails[random() % tails.size()];
    add(text);
  }
  for (int i = 0; i < 500; ++i) {
    auto text = random_text(random, "0123456789.~-", 6);
    for (int k = 0; k < 3; ++k) text += static_cast<char>('!' + random() % 94);
    add(text);
  }
  const auto expected = system_sort(versions);
  std::stable_sort(versions.begin(), versions.end(), less);
  ASSERT_EQ(expected.size(), versions.size());
  for (std::size_t i = 0; i < versions.size(); ++i) ASSERT_EQ(versions[i], expected[i]) << "at " << i;
}

TEST(Version, BothOrdersAreConsistent) {
  std::mt19937 random(3);
  Versions semver;
  Versions names;
  for (int i = 0; i < 700; ++i) {
    semver.push_back(random_semver(random));
    names.push_back('x' + random_text(random, "019.~-ab", 7));
  }
  expect_weak_ordering(semver);
  expect_weak_ordering(names);
}

TEST(Version, MixedPairsAreAntisymmetric) {
  std::mt19937 random(4);
  for (int i = 0; i < 20'000; ++i) {
    const auto a = random_semver(random);
    const auto b = random_text(random, "019.~-abv", 9);
    ASSERT_TRUE(0 <=> compare_versions(a, b) == compare_versions(b, a)) << a << ' ' << b;
  }
}

int sign(std::weak_ordering order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }

/// Exact within a kind, and for a SemVer version among plain ones; the kinds follow each other.
void expect_key_order(const std::string& a, const std::string& b) {
  const auto x = version_key(a);
  const auto y = version_key(b);
  const auto kinds = version_kind(a) <=> version_kind(b);
  if (kinds != 0) {
    ASSERT_EQ(sign(x <=> y), sign(kinds)) << a << ' ' << b;
    if (version_kind(a) != VersionKind::plain || version_kind(b) != VersionKind::semver) return;
    ASSERT_EQ(sign(x <=> version_key_among_plain(b)), sign(compare_versions(a, b))) << a << ' ' << b;
  } else if (valid_version(a)) {
    ASSERT_EQ(sign(x <=> y), sign(compare_versions(a, b))) << a << ' ' << b;
  } else {
    ASSERT_EQ(x, y);
  }
}

TEST(Version, KeysHaveTheOrderOfVersions) {
  std::mt19937 random(5);
  static const Versions heads{"1", "1.0", "1.1", "a", "a1", "0", "00", "x~", "2-", "1.01", "v1.0.0", "1.0.0-rc"};
  static const Versions tails{"",  ".tar",  ".gz", ".~", ".a1", ".1", "~", ".",
                              "a", "-rc.1", "_",   "0",  "00",  "b",  "+", ":"};
  const auto any = [&]() -> std::string {
    switch (random() % 4) {
      case 0:
        return random_semver(random);
      case 1:
        return random_text(random, "0129.-_+:~abAZv", 12);
      case 2:
        return random_text(random, "01.a~", 7);
      default:
        auto text = heads[random() % heads.size()];
        for (auto n = random() % 4; n > 0; --n) text += tails[random() % tails.size()];
        return text;
    }
  };
  Versions versions{"", "1 2", std::string(128, '9'), std::string(127, '9'), "1.0.0-" + std::string(122, '8')};
  for (int i = 0; i < 2500; ++i) versions.push_back(any());
  for (const auto& a : versions)
    for (int i = 0; i < 40; ++i) ASSERT_NO_FATAL_FAILURE(expect_key_order(a, versions[random() % versions.size()]));
}

TEST(Version, NoKeyCanOrderAllKindsTogether) {
  EXPECT_TRUE(compare_versions("1.0.0-rc", "1.0.0") < 0);
  EXPECT_TRUE(compare_versions("1.0.0", "1.0.0-a_") < 0);
  EXPECT_TRUE(compare_versions("1.0.0-a_", "1.0.0-rc") < 0);
}

}  // namespace
}  // namespace ota
