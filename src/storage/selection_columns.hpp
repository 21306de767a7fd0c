// The columns of the fields that conditions can name (domain/selection.hpp): a row for each field.
#pragma once

#include <cstdint>
#include <string_view>

#include "ota/domain/selection.hpp"

namespace ota::storage {

/// In number columns: there is none (FieldCondition::number).
inline constexpr std::int64_t kNone = -1;

enum class Index : std::uint8_t {
  none,
  own,      ///< one on (column, key of the row)
  texts,    ///< on (key, value) of the table `sql`, which has a row for each key of a device (DeviceTexts)
  outcomes  ///< device_outcomes_state, of ended tasks
};

struct Column {
  std::string_view field;
  std::string_view sql;
  Index index;
  int rank;                    ///< the index with the lowest is used: it leaves the fewest rows
  std::string_view text = {};  ///< of versions: the text beside the key
};

inline constexpr Column kDeviceColumns[] = {
    {"id", "d.id", Index::own, 0},
    {"hardware", "d.hardware", Index::own, 8},
    {"version", "d.version_key", Index::own, 5, "d.current_version"},
    {"channel", "d.channel", Index::own, 10},
    {"online", "d.seen", Index::own, 9},
    {"last_seen", "d.seen", Index::own, 7},
    {"link", "d.link_verdict", Index::own, 6},
    {"outcome",
     "COALESCE((SELECT state FROM tasks INDEXED BY tasks_device WHERE device=d.id ORDER BY number DESC LIMIT 1), -1)",
     Index::outcomes, 4},
    {"tag", "device_tags", Index::texts, 3},
    {"attr", "device_attributes", Index::texts, 3},
};

inline constexpr Column kTaskColumns[] = {
    {"id", "t.device", Index::own, 0},
    {"version", "t.version_key", Index::own, 5, "t.version"},
    {"state", "t.state", Index::own, 4},
    {"reason", "t.reason", Index::none, 0},
    {"created_at", "t.created", Index::own, 6},
    {"created_by", "t.created_by", Index::own, 7},
    {"rollout", "COALESCE(t.rollout, -1)", Index::none, 0},
};

/// Of the selected rows themselves; null: tasks have it by their device.
inline const Column* find_column(const Field& field, Selects what) {
  const auto find = [&](const auto& columns) -> const Column* {
    for (const auto& column : columns)
      if (column.field == field.name) return &column;
    return nullptr;
  };
  return what == Selects::tasks ? find(kTaskColumns) : find(kDeviceColumns);
}

}  // namespace ota::storage
