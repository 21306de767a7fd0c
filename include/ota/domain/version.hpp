// Firmware versions and their order.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ota {

/// 1 to 128 of `A-Z a-z 0-9 . _ + ~ : -`, no leading `.` or `-`, no `..`.
bool valid_version(std::string_view text);

/// SemVer 2.0 precedence where both are SemVer (a leading `v` is allowed), else the order of `sort -V`.
/// Build metadata does not count, as SemVer 2.0 section 10 says.
std::weak_ordering compare_versions(std::string_view a, std::string_view b);

/// Whether both name the same version: `v1.4.0`, `1.4.0+build.7` and `1.4.0` do. What is no version (valid_version) is
/// the same as nothing.
bool same_version(std::string_view a, std::string_view b);

/// Whether `a` is newer than `b`. What is no version is neither newer nor older than anything.
bool newer_version(std::string_view a, std::string_view b);

/// The first byte of a key; the key of an unknown version is empty.
enum class VersionKind : std::uint8_t {
  unknown,  ///< no text
  invalid,  ///< no version (valid_version)
  plain,    ///< not SemVer
  semver
};
VersionKind version_kind(std::string_view text);

using VersionKey = std::vector<std::uint8_t>;

/// A key for lists and indexes. Of two SemVer versions, and of two others, the keys have exactly the order of
/// compare_versions(), equal ones included. Between the kinds no key can have it, because compare_versions() is not
/// transitive there (1.0.0-rc < 1.0.0 < 1.0.0-a_ < 1.0.0-rc): keys put all plain versions before all SemVer ones.
/// Texts that are no version have one key, behind that of an unknown version and before all others.
VersionKey version_key(std::string_view text);

/// The place of a SemVer version among the keys of plain ones, by compare_versions().
VersionKey version_key_among_plain(std::string_view semver);

}  // namespace ota
