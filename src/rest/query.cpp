#include "rest/query.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ota/base/text.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::rest {
namespace {

std::optional<std::string> open_cursor(std::string_view list, std::string text) {
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  while (text.size() % 4 != 0) text += '=';
  const auto bytes = firmware::parse_base64(text);
  if (!bytes) return std::nullopt;
  const std::string inside(bytes->begin(), bytes->end());
  const auto prefix = fmt::format("{}:", list);
  if (!inside.starts_with(prefix) || inside.size() == prefix.size() || !is_utf8(inside)) return std::nullopt;
  return inside.substr(prefix.size());
}

}  // namespace

std::optional<std::int64_t> parse_number(std::string_view text) {
  if (text.empty() || text.size() > 18 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  const auto number = parse_decimal<std::int64_t>(text);
  return number && *number >= 0 ? number : std::nullopt;
}

Result<QueryFields> QueryFields::parse(std::string_view query, std::initializer_list<std::string_view> known,
                                       std::string_view repeatable) {
  auto items = parse_query(query);
  if (!items) return fail(Errc::malformed, "the query has a broken % escape or too many parts");
  QueryFields fields;
  for (auto& [name, value] : *items) {
    const auto same = [&wanted = name](const auto& item) { return item.first == wanted; };
    if (!is_utf8(name)) return fail(Errc::malformed, "the query is not UTF-8");
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      fields.errors_.add(name, wire::unknown_name(name, {known.begin(), known.size()}));
    } else if (name != repeatable && std::any_of(fields.items_.begin(), fields.items_.end(), same)) {
      fields.errors_.add(name, "is given twice");
    } else if (!is_utf8(value)) {
      fields.errors_.add(name, "must be UTF-8");
    } else {
      fields.items_.emplace_back(std::move(name), std::move(value));
    }
  }
  return fields;
}

std::optional<std::string> QueryFields::text(std::string_view name) const {
  const auto found = std::find_if(items_.begin(), items_.end(), [&](const auto& item) { return item.first == name; });
  if (found == items_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> QueryFields::texts(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& item : items_)
    if (item.first == name) values.push_back(item.second);
  return values;
}

std::optional<bool> QueryFields::boolean(std::string_view name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  if (*value == "true") return true;
  if (*value == "false") return false;
  errors_.add(name, "must be true or false");
  return std::nullopt;
}

std::optional<std::int64_t> QueryFields::integer(std::string_view name, std::int64_t min, std::int64_t max) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  const auto number = parse_number(*value);
  if (number && *number >= min && *number <= max) return number;
  errors_.add(name, fmt::format("must be a whole number from {} to {}", min, max));
  return std::nullopt;
}

Result<void> QueryFields::check() const {
  if (!errors_.empty()) return errors_.to_error(Errc::malformed);
  return {};
}

Page page_of(QueryFields& query, std::string_view list) {
  Page page;
  page.limit = static_cast<int>(query.integer("limit", 1, kLargestPage).value_or(kDefaultPage));
  if (const auto cursor = query.text("cursor")) {
    auto after = open_cursor(list, *cursor);
    if (!after) query.errors().add("cursor", kWrongCursor);
    page.after = std::move(after).value_or("");
  }
  return page;
}

NumberPage number_page_of(QueryFields& query, std::string_view list) {
  const auto page = page_of(query, list);
  NumberPage numbers{page.limit, 0};
  if (page.after.empty()) return numbers;
  const auto after = parse_number(page.after);
  if (!after) query.errors().add("cursor", kWrongCursor);
  numbers.after = after.value_or(0);
  return numbers;
}

std::string cursor_of(std::string_view list, std::string_view last) {
  const auto text = fmt::format("{}:{}", list, last);
  return firmware::base64url({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

}  // namespace ota::rest
