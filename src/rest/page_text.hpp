// The JSON of a list's page.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rest/json.hpp"
#include "rest/query.hpp"

namespace ota::rest {

/// The list's response from up to `limit` + 1 rows. `position` makes of a row the text of its place in the cursor.
template <class Row, class Position, class ToJson>
std::string page_text(std::vector<Row> rows, int limit, std::string_view list, Position position, ToJson to_json) {
  const auto most = static_cast<std::size_t>(limit);
  std::optional<std::string> next;
  if (rows.size() > most) {
    rows.resize(most);
    next = cursor_of(list, position(rows.back()));
  }
  std::vector<Json> items;
  items.reserve(rows.size());
  for (const auto& row : rows) items.push_back(to_json(row));
  return to_text(list_json(std::move(items), next));
}

}  // namespace ota::rest
