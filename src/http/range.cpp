#include "http/range.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "ota/base/text.hpp"

namespace ota::http {
namespace {

/// A position beyond 64 bits lies behind the end of any file, as the greatest does.
std::optional<std::uint64_t> parse_position(std::string_view digits) {
  if (const auto value = parse_decimal<std::uint64_t>(digits)) return value;
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) return std::nullopt;
  return std::numeric_limits<std::uint64_t>::max();
}

/// Drops `bytes=`, whatever its case; false for another unit.
bool drop_unit(std::string_view& value) {
  constexpr std::string_view kUnit = "bytes=";
  if (!iequals(value.substr(0, kUnit.size()), kUnit)) return false;
  value.remove_prefix(kUnit.size());
  return true;
}

/// One `first-last`, `first-` or `-suffix`. False: malformed. An empty range: can't be satisfied.
bool parse_spec(std::string_view spec, std::uint64_t size, ByteRange& range) {
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return false;
  const std::string_view head = spec.substr(0, dash);
  const std::string_view tail = spec.substr(dash + 1);
  range = {};
  if (head.empty()) {
    const auto suffix = parse_position(tail);
    if (!suffix) return false;
    range.length = std::min(*suffix, size);
    range.offset = size - range.length;
    return true;
  }
  const auto first = parse_position(head);
  const auto last = tail.empty() ? std::numeric_limits<std::uint64_t>::max() : parse_position(tail);
  if (!first || !last || *last < *first) return false;
  if (*first >= size) return true;
  range.offset = *first;
  range.length = std::min(*last, size - 1) - *first + 1;
  return true;
}

bool is_abusive(const std::vector<ByteRange>& ranges, std::uint64_t size) {
  std::uint64_t total = 0;
  for (const ByteRange& range : ranges) {
    if (range.length > size - total) return true;
    total += range.length;
  }
  auto sorted = ranges;
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
  std::size_t overlaps = 0;
  std::uint64_t end = 0;
  for (const ByteRange& range : sorted) {
    if (range.offset < end) ++overlaps;
    end = std::max(end, range.offset + range.length);
  }
  return overlaps > 2;
}

}  // namespace

RangeAnswer parse_range(std::string_view value, std::uint64_t size) {
  value = trim(value);
  if (!drop_unit(value)) return {};
  RangeAnswer answer;
  std::size_t specs = 0;
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(','), value.size());
    const std::string_view spec = trim(value.substr(0, end));
    value.remove_prefix(std::min(end + 1, value.size()));
    if (spec.empty()) continue;
    ByteRange range;
    if (++specs > kMaxRanges || !parse_spec(spec, size, range)) return {};
    if (range.length > 0) answer.ranges.push_back(range);
  }
  if (specs == 0) return {};
  if (answer.ranges.empty()) {
    answer.kind = RangeKind::unsatisfiable;
  } else if (answer.ranges.size() > 1 && is_abusive(answer.ranges, size)) {
    return {};
  } else {
    answer.kind = RangeKind::ranges;
  }
  return answer;
}

bool etag_listed(std::string_view list, std::string_view etag, bool strong) {
  list = trim(list);
  if (list == "*") return true;
  while (!list.empty()) {
    if (list.front() == ',' || list.front() == ' ' || list.front() == '\t') {
      list.remove_prefix(1);
      continue;
    }
    const bool weak = list.starts_with("W/");
    if (weak) list.remove_prefix(2);
    // A comma may stand inside the quotes, so the quotes are what ends a tag.
    if (list.empty() || list.front() != '"') return false;
    const std::size_t close = list.find('"', 1);
    if (close == std::string_view::npos) return false;
    if (list.substr(0, close + 1) == etag && !(strong && weak)) return true;
    list.remove_prefix(close + 1);
  }
  return false;
}

bool if_range_holds(std::string_view value, std::string_view etag) { return !etag.empty() && trim(value) == etag; }

}  // namespace ota::http
