#include <algorithm>

#include "domain/version_parts.hpp"
#include "ota/base/text.hpp"
#include "ota/domain/version.hpp"

namespace ota {
namespace {

/// A number without leading zeros: the longer one is the larger. At most 128 digits (valid_version).
void put_number(VersionKey& key, std::string_view digits) {
  key.push_back(static_cast<std::uint8_t>(digits.size()));
  key.insert(key.end(), digits.begin(), digits.end());
}

// SemVer 2.0, section 11. Where a list of identifiers ends, it is less than a longer one; a release is more than any.
constexpr std::uint8_t kListEnd = 0;
constexpr std::uint8_t kNumeric = 1;
constexpr std::uint8_t kAlphanumeric = 2;
constexpr std::uint8_t kRelease = 3;

void put_semver(VersionKey& key, const SemVer& version) {
  for (const auto part : version.core) put_number(key, part);
  if (version.prerelease.empty()) return key.push_back(kRelease);
  for (auto left = version.prerelease; !left.empty();) {
    const auto id = take_until(left, '.');
    const bool numeric = all_digits(id);
    key.push_back(numeric ? kNumeric : kAlphanumeric);
    if (numeric) {
      put_number(key, id);
    } else {
      key.insert(key.end(), id.begin(), id.end());
      key.push_back(0);
    }
  }
  key.push_back(kListEnd);
}

// The order of compare_runs(): `~`, the end or a number, letters, everything else. A text that ends where another has
// a number has the number 0 there.
constexpr std::uint8_t kTilde = 1;
constexpr std::uint8_t kNumber = 2;  ///< also the end of the text behind a number
constexpr std::uint8_t kOther = 0x80;

void put_runs(VersionKey& key, std::string_view text) {
  for (std::size_t at = 0;;) {
    for (; at < text.size() && !is_digit(text[at]); ++at) {
      const auto c = text[at];
      const auto byte = static_cast<std::uint8_t>(c);
      key.push_back(c == '~' ? kTilde : is_alpha(c) ? byte : static_cast<std::uint8_t>(kOther | byte));
    }
    key.push_back(kNumber);
    put_number(key, take_number(text, at));
    if (at >= text.size()) break;
  }
  key.push_back(kNumber);
}

void put_plain(VersionKey& key, std::string_view text) {
  put_runs(key, text.substr(0, suffix_start(text)));
  put_runs(key, text);
}

VersionKey key_of(VersionKind kind) { return {static_cast<std::uint8_t>(kind)}; }

}  // namespace

VersionKind version_kind(std::string_view text) {
  if (text.empty()) return VersionKind::unknown;
  if (!valid_version(text)) return VersionKind::invalid;
  return parse_semver(text) ? VersionKind::semver : VersionKind::plain;
}

VersionKey version_key(std::string_view text) {
  const auto kind = version_kind(text);
  if (kind == VersionKind::unknown) return {};
  auto key = key_of(kind);
  if (kind == VersionKind::semver) put_semver(key, *parse_semver(text));
  if (kind == VersionKind::plain) put_plain(key, text);
  return key;
}

VersionKey version_key_among_plain(std::string_view semver) {
  auto key = key_of(VersionKind::plain);
  put_plain(key, semver);
  return key;
}

}  // namespace ota
