// Which devices or tasks a list has, and in which order (docs/rest.md, Lists).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ota/domain/selection.hpp"

namespace ota::storage {

using SqlValue = std::variant<std::int64_t, std::string, std::vector<std::uint8_t>>;

/// `sort_by`: one of sort_fields(). Without it, the order is that of the condition whose index is used: by its field if
/// it is a range, then by id (devices, ascending) or number (tasks, newest first). Devices that are online: those that
/// were seen last come first.
struct Selection {
  std::vector<FieldCondition> conditions{};
  const Field* sort_by = nullptr;
  bool descending = false;    ///< with `sort_by`
  Presence presence{};
};

/// Fields whose order an index has.
std::vector<std::string_view> sort_fields(Selects what);

/// A place in one selection's order, behind which the next page begins. A value.
struct Place {
  std::size_t span = 0;  ///< of the index
  SqlValue value;        ///< of the ordering field
  SqlValue id;           ///< of the row

  std::string str() const;
  /// Of str(); nothing for any other text.
  static std::optional<Place> parse(std::string_view text, Selects what);
};

/// How many rows a page looks at, at most: one that looks at more, because few match, comes back short.
inline constexpr int kRowsLookedAt = 20'000;

template <class Row>
struct Selected {
  std::vector<Row> rows;
  std::optional<Place> next;  ///< nothing: that was the end
};

}  // namespace ota::storage
