// A page of a list, as JSON or CSV.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rest/context.hpp"
#include "rest/json.hpp"
#include "rest/query.hpp"

namespace ota::rest {

struct ListPage {
  std::vector<Json> items;
  std::optional<std::string> next;  ///< cursor of the next page
};

/// A column of CSV: its name, and where in an item its value is (RFC 6901).
struct CsvColumn {
  const char* name;
  const char* pointer;
};
using CsvColumns = std::span<const CsvColumn>;

/// The page of up to `limit` + 1 rows. `position` makes of a row the text of its place in the cursor.
template <class Row, class Position, class ToJson>
ListPage list_page(std::vector<Row> rows, int limit, std::string_view list, Position position, ToJson to_json) {
  const auto most = static_cast<std::size_t>(limit);
  ListPage page;
  if (rows.size() > most) {
    rows.resize(most);
    page.next = cursor_of(list, position(rows.back()));
  }
  page.items.reserve(rows.size());
  for (const auto& row : rows) page.items.push_back(to_json(row));
  return page;
}

/// Answers what `job` reads on a reader thread, also written and compressed there: for 1,000 rows that would delay the
/// chunks of an HTTP thread. CSV with `columns` where the client prefers it (then `next` is in `Link`), gzip where it
/// accepts that.
Answering read_list(Context& context, Call& call, CsvColumns columns,
                    std::function<Result<ListPage>(storage::ReadView&)> job);

/// One line of CSV (RFC 4180), with CR LF. Null is an empty field, objects and lists are JSON.
void append_csv(std::string& text, std::span<const Json> fields);

}  // namespace ota::rest
