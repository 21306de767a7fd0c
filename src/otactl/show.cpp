#include "otactl/show.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "otactl/format.hpp"
#include "otactl/output.hpp"
#include "otactl/table.hpp"

namespace ota::otactl {
namespace {

constexpr std::int64_t kUsualLimit = 100;
constexpr std::int64_t kLargestPage = 1000;
constexpr std::size_t kBar = 24;
constexpr std::size_t kNarrowBar = 10;
constexpr std::size_t kNarrowTerminal = 80;

void add_query(const Call& call, Query& query, const char* name) {
  if (const auto value = call.text(name)) query.emplace_back(name, *value);
}

Table table_for(const Call& call, std::span<const Column> columns) {
  std::vector<Table::Column> titles;
  for (const auto& column : columns)
    if (!column.wide || call.wide()) titles.push_back({column.title, column.right});
  return Table(std::move(titles));
}

void add_rows(const Call& call, Table& table, const Json& items, std::span<const Column> columns, std::int64_t most) {
  const auto now = call.now();
  for (const auto& item : items) {
    if (most-- <= 0) return;
    std::vector<std::string> cells;
    for (const auto& column : columns)
      if (!column.wide || call.wide()) cells.push_back(column.form(at(item, column.pointer), now));
    table.add(std::move(cells));
  }
}

std::optional<WallTime> time_of(const Json& value) {
  return value.is_string() ? parse_rfc3339(value.get_ref<const std::string&>()) : std::nullopt;
}

}  // namespace

std::string as_text(const Json& value, WallTime) {
  if (value.is_null()) return "-";
  if (value.is_string()) {
    auto text = printable(value.get_ref<const std::string&>());
    return text.empty() ? "-" : text;
  }
  return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string as_age(const Json& value, WallTime now) {
  const auto time = time_of(value);
  return time ? age_text(*time, now) : as_text(value, now);
}

std::string as_time(const Json& value, WallTime now) {
  const auto time = time_of(value);
  return time ? local_text(*time, now) : as_text(value, now);
}

std::string as_bytes(const Json& value, WallTime now) {
  return value.is_number_unsigned() ? bytes_text(value.get<std::uint64_t>()) : as_text(value, now);
}

std::string as_number(const Json& value, WallTime now) {
  return value.is_number_integer() ? grouped(value.get<std::int64_t>()) : as_text(value, now);
}

std::string as_mark(const Json& value, WallTime) { return value.is_boolean() && value.get<bool>() ? "yes" : "-"; }

std::string as_tags(const Json& value, WallTime now) {
  std::string text;
  if (!value.is_object()) return as_text(value, now);
  for (const auto& [name, tag] : value.items())
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", printable(name), as_text(tag, now));
  return text.empty() ? "-" : text;
}

std::string as_words(const Json& value, WallTime now) {
  std::string text;
  if (!value.is_array()) return as_text(value, now);
  for (const auto& word : value) text += (text.empty() ? "" : ", ") + as_text(word, now);
  return text.empty() ? "-" : text;
}

std::string table_of(const Call& call, const Json& items, std::span<const Column> columns) {
  auto table = table_for(call, columns);
  add_rows(call, table, items, columns, static_cast<std::int64_t>(items.size()));
  return table.text(call.columns(), call.terminal().style);
}

int list(Call& call, const std::string& path, Query query, std::span<const Column> columns) {
  if (call.json()) {
    add_query(call, query, "limit");
    add_query(call, query, "cursor");
    write_out(call.client().get(path, query).body);
    return kDone;
  }
  if (call.has("cursor")) throw Failure(kUsage, "--cursor needs -o json: tables have --limit");
  const auto most = call.number("limit", 1).value_or(kUsualLimit);
  auto table = table_for(call, columns);
  std::int64_t left = most;
  Json next;
  do {
    auto page = query;
    page.emplace_back("limit", std::to_string(std::min(left, kLargestPage)));
    if (next.is_string()) page.emplace_back("cursor", next.get<std::string>());
    const auto json = call.client().get(path, page).json();
    add_rows(call, table, at(json, "/items"), columns, left);
    left -= static_cast<std::int64_t>(at(json, "/items").size());
    next = at(json, "/next");
  } while (next.is_string() && left > 0);
  write_out(table.text(call.columns(), call.terminal().style));
  if (next.is_string()) write_note(fmt::format("There are more: --limit shows more than {}", grouped(most)));
  return kDone;
}

int select(Call& call, const std::string& path, Query query, std::span<const Column> columns) {
  for (const auto& condition : call.list("where")) query.emplace_back("where", condition);
  if (call.has("count")) {
    query.emplace_back("count", "true");
    const auto reply = call.client().get(path, query);
    answer(call, reply, call.json() ? "" : grouped(number_at(reply.json(), "/count")) + "\n");
    return kDone;
  }
  add_query(call, query, "sort");
  return list(call, path, std::move(query), columns);
}

std::string lines_of(const Call& call, const Json& json, std::span<const Field> fields) {
  std::size_t width = 0;
  for (const auto& field : fields) width = std::max(width, std::string_view(field.label).size());
  std::string text;
  const auto now = call.now();
  for (const auto& field : fields) {
    const auto& value = at(json, field.pointer);
    if (value.is_null()) continue;
    text += fmt::format("{:<{}}  {}\n", field.label, width, field.form(value, now));
  }
  return text;
}

std::size_t bar_columns(const Call& call) {
  return call.columns() != 0 && call.columns() < kNarrowTerminal ? kNarrowBar : kBar;
}

std::string fitted(const Call& call, std::string text, std::size_t drawn) {
  if (call.columns() == 0) return text;
  return cut(std::move(text), call.columns() - std::min(call.columns(), drawn), call.terminal().style);
}

void answer(const Call& call, const Reply& reply, const std::string& text) {
  write_out(call.json() ? reply.body : text);
}

int answer_order(Call& call, const Reply& reply, const std::string& id, const std::string& text,
                 int (*watch)(Call& call, const std::string& id)) {
  const bool watches = call.has("watch");
  if (!watches)
    answer(call, reply, text);
  else if (!call.json())
    write_out(text);
  return watches ? watch(call, id) : kDone;
}

}  // namespace ota::otactl
