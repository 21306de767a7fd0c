// A page of a selection, and how many rows it has.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

#include "ota/storage/bad_rows.hpp"
#include "storage/query.hpp"
#include "storage/selection_sql.hpp"

namespace ota::storage {

/// Up to `limit` rows behind `after`, each by `find` (of its key), but for those that can't be read.
template <class Row, class Find>
Selected<Row> select_page(SQLite::Database& db, const Selection& selection, Selects what, int limit,
                          const std::optional<Place>& after, Find find) {
  Selected<Row> page;
  const auto walk = walk_of(selection, what);
  const auto checked = all_hold(selection, what);
  const auto* order = walk.descending ? "DESC" : "ASC";
  int looked = 0;
  std::optional<Place> last;
  for (const auto& stretch : stretches(walk, after)) {
    Sql sql{fmt::format("SELECT {}, {}, ", walk.id, walk.column)};
    sql += checked;
    ((sql += {" "}) += walk.from) += stretch.where;
    sql += {fmt::format(" ORDER BY {1} {0}, {2} {0}", order, walk.column, walk.id)};
    const Query query(db, std::move(sql.text));
    for (auto rows = query.rows_with(sql.values); rows.next();) {
      auto id = rows.value();
      Place place{stretch.span, rows.value(), id};
      if (rows.flag()) {
        const bool full = page.rows.size() == static_cast<std::size_t>(limit);
        if (full) page.next = std::move(last);
        if (full) return page;
        try {
          if (auto row = find(id)) page.rows.push_back(std::move(*row));
        } catch (const BadRow&) {
          // Noted where it was met.
        }
      }
      last = std::move(place);
      if (++looked < kRowsLookedAt) continue;
      page.next = std::move(last);
      return page;
    }
  }
  return page;
}

/// Whether counters by these fields can answer.
inline bool only_of(const Selection& selection, std::initializer_list<std::string_view> fields) {
  return std::all_of(selection.conditions.begin(), selection.conditions.end(), [&](const auto& condition) {
    return std::find(fields.begin(), fields.end(), condition.field->name) != fields.end();
  });
}

/// Looks at all rows that the index leaves.
inline std::int64_t count_rows(SQLite::Database& db, const Selection& selection, Selects what) {
  const auto walk = walk_of(selection, what);
  std::int64_t count = 0;
  for (const auto& stretch : stretches(walk, {})) {
    Sql sql{"SELECT COUNT(*) "};
    ((sql += walk.from) += stretch.where) += {" AND "};
    sql += all_hold(selection, what);
    const Query query(db, std::move(sql.text));
    if (auto rows = query.rows_with(sql.values); rows.next()) count += rows.integer();
  }
  return count;
}

}  // namespace ota::storage
