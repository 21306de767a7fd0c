// A Selection as SQL: which index is walked, over which parts of it, and what is checked of each row there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ota/storage/selection.hpp"

namespace ota::storage {

/// Text with `?` for each of `values`, in their order.
struct Sql {
  std::string text;
  std::vector<SqlValue> values{};

  Sql& operator+=(const Sql& more) {
    text += more.text;
    values.insert(values.end(), more.values.begin(), more.values.end());
    return *this;
  }
};

/// A part of an index: between two values, each within it or not; nothing: no bound.
struct Span {
  std::optional<SqlValue> from{};
  bool with_from = false;
  std::optional<SqlValue> to{};
  bool with_to = false;

  bool is_one() const { return with_from && with_to && *from == *to; }
};
inline Span span_at(const SqlValue& value) { return {value, true, value, true}; }

/// Whether all conditions hold for the row `d` (devices), or `t` (tasks).
Sql all_hold(const Selection& selection, Selects what);

/// The walk over the rows that may match, in the selection's order.
struct Walk {
  Sql from;            ///< the tables, and what holds for all rows of the walk
  std::string column;  ///< of the order, before `id`
  std::string id;
  std::vector<Span> spans{};  ///< ascending; disjoint
  bool descending = false;
};
Walk walk_of(const Selection& selection, Selects what);

/// The part of a walk that one statement reads: all of a span, or its rest behind a place.
struct Stretch {
  std::size_t span = 0;
  Sql where;
};
std::vector<Stretch> stretches(const Walk& walk, const std::optional<Place>& after);

}  // namespace ota::storage
