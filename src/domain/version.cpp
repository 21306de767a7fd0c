#include "ota/domain/version.hpp"

#include <algorithm>

#include "domain/version_parts.hpp"
#include "ota/base/text.hpp"

// Two orders live here. Each is a consistent weak ordering of its own; between SemVer and other texts they need not
// agree (1.0.0-rc < 1.0.0 in one, the other way round in the other), so a list that mixes both kinds has no one order.
// Compare pairs.

namespace ota {

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool all_digits(std::string_view text) { return std::all_of(text.begin(), text.end(), is_digit); }

std::string_view take_until(std::string_view& text, char mark) {
  const auto head = text.substr(0, text.find(mark));
  text.remove_prefix(std::min(head.size() + 1, text.size()));
  return head;
}

namespace {

std::weak_ordering order_of(int difference) { return difference <=> 0; }

bool is_semver_number(std::string_view text) {
  return !text.empty() && all_digits(text) && (text.size() == 1 || text.front() != '0');
}

bool is_identifier(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || is_alpha(c) || c == '-'; });
}

template <class Rule>
bool each_identifier(std::string_view list, Rule rule) {
  for (;;) {
    const auto dot = list.find('.');
    if (!rule(list.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    list.remove_prefix(dot + 1);
  }
}

}  // namespace

std::optional<SemVer> parse_semver(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  const auto plus = text.find('+');
  if (plus != std::string_view::npos && !each_identifier(text.substr(plus + 1), is_identifier)) return std::nullopt;
  text = text.substr(0, plus);
  SemVer version;
  const auto dash = text.find('-');
  if (dash != std::string_view::npos) {
    version.prerelease = text.substr(dash + 1);
    const auto fits = [](std::string_view id) {
      return is_identifier(id) && (!all_digits(id) || is_semver_number(id));
    };
    if (!each_identifier(version.prerelease, fits)) return std::nullopt;
  }
  text = text.substr(0, dash);
  if (std::count(text.begin(), text.end(), '.') != 2) return std::nullopt;
  for (auto& part : version.core) {
    part = take_until(text, '.');
    if (!is_semver_number(part)) return std::nullopt;
  }
  return version;
}

namespace {

/// Decimals of any length, without leading zeros.
std::weak_ordering compare_numbers(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return a.size() <=> b.size();
  return order_of(a.compare(b));
}

std::weak_ordering compare_identifiers(std::string_view a, std::string_view b) {
  const bool a_number = all_digits(a);
  const bool b_number = all_digits(b);
  if (a_number && b_number) return compare_numbers(a, b);
  if (a_number != b_number) return a_number ? std::weak_ordering::less : std::weak_ordering::greater;
  return order_of(a.compare(b));
}

/// SemVer 2.0, section 11.
std::weak_ordering compare_semver(const SemVer& a, const SemVer& b) {
  for (std::size_t i = 0; i < a.core.size(); ++i) {
    const auto order = compare_numbers(a.core[i], b.core[i]);
    if (order != 0) return order;
  }
  auto x = a.prerelease;
  auto y = b.prerelease;
  if (x.empty() || y.empty()) return x.empty() <=> y.empty();
  while (!x.empty() && !y.empty()) {
    const auto order = compare_identifiers(take_until(x, '.'), take_until(y, '.'));
    if (order != 0) return order;
  }
  return !x.empty() <=> !y.empty();
}

}  // namespace

std::size_t suffix_start(std::string_view text) {
  for (std::size_t i = 0;; ++i) {
    const std::size_t start = i;
    while (i + 1 < text.size() && text[i] == '.' && (is_alpha(text[i + 1]) || text[i + 1] == '~')) {
      i += 2;
      while (i < text.size() && (is_digit(text[i]) || is_alpha(text[i]) || text[i] == '~')) ++i;
    }
    if (i >= text.size()) return start;
  }
}

std::string_view take_number(std::string_view text, std::size_t& at) {
  while (at < text.size() && text[at] == '0') ++at;
  const std::size_t first = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  return text.substr(first, at - first);
}

namespace {

/// `~` before the end, the end before digits, letters, everything else.
int rank(std::string_view text, std::size_t at) {
  if (at >= text.size()) return -1;
  const char c = text[at];
  if (is_digit(c)) return 0;
  if (c == '~') return -2;
  const int byte = static_cast<unsigned char>(c);
  return is_alpha(c) ? byte : byte + 256;
}

/// Runs of non-digits by rank, runs of digits as numbers, in turn.
std::weak_ordering compare_runs(std::string_view a, std::string_view b) {
  std::size_t i = 0;
  std::size_t j = 0;
  const auto in_text = [](std::string_view s, std::size_t at) { return at < s.size() && !is_digit(s[at]); };
  while (i < a.size() || j < b.size()) {
    while (in_text(a, i) || in_text(b, j)) {
      const int difference = rank(a, i) - rank(b, j);
      if (difference != 0) return order_of(difference);
      ++i;
      ++j;
    }
    const auto order = compare_numbers(take_number(a, i), take_number(b, j));
    if (order != 0) return order;
  }
  return std::weak_ordering::equivalent;
}

/// 0 the empty name, then `.`, `..`, other names with a dot first, the rest.
int name_class(std::string_view text) {
  if (text.empty()) return 0;
  if (text.front() != '.') return 4;
  return text == "." ? 1 : text == ".." ? 2 : 3;
}

/// The order of `sort -V` (GNU coreutils 9.1).
std::weak_ordering compare_names(std::string_view a, std::string_view b) {
  const int a_class = name_class(a);
  const int b_class = name_class(b);
  if (a_class != b_class || a_class < 3) return order_of(a_class - b_class);
  const auto order = compare_runs(a.substr(0, suffix_start(a)), b.substr(0, suffix_start(b)));
  return order != 0 ? order : compare_runs(a, b);
}

}  // namespace

bool valid_version(std::string_view text) {
  const auto fits = [](char c) {
    return is_digit(c) || is_alpha(c) || c == '.' || c == '_' || c == '+' || c == '~' || c == ':' || c == '-';
  };
  return !text.empty() && text.size() <= 128 && text.front() != '.' && text.front() != '-' &&
         text.find("..") == std::string_view::npos && std::all_of(text.begin(), text.end(), fits);
}

std::weak_ordering compare_versions(std::string_view a, std::string_view b) {
  const auto x = parse_semver(a);
  if (const auto y = x ? parse_semver(b) : std::nullopt) return compare_semver(*x, *y);
  return compare_names(a, b);
}

bool same_version(std::string_view a, std::string_view b) {
  return valid_version(a) && valid_version(b) && (a == b || compare_versions(a, b) == 0);
}

bool newer_version(std::string_view a, std::string_view b) {
  return valid_version(a) && valid_version(b) && compare_versions(a, b) > 0;
}

}  // namespace ota
