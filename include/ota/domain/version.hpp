// Firmware versions and their order.
#pragma once

#include <compare>
#include <string>
#include <string_view>

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

}  // namespace ota
