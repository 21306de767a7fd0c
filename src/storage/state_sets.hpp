// Sets of task states as conditions, for statements and for the indexes of the schema, whose predicates they must equal
// (tests/unit/storage compares them).
#pragma once

#include <string>
#include <vector>

#include "ota/domain/task_state.hpp"

namespace ota::storage {

/// `state<5`, `state>0 AND state<4`, `(state<5 OR state=9)`: no list (IN), for which an index keeps a temporary table at
/// each change of a row.
inline std::string in(StateSet set) {
  std::vector<std::string> ranges;
  for (int first = 0; first < static_cast<int>(kTaskStates); ++first) {
    if (!set.contains(static_cast<TaskState>(first))) continue;
    int last = first;
    while (last + 1 < static_cast<int>(kTaskStates) && set.contains(static_cast<TaskState>(last + 1))) ++last;
    const auto above = first > 0 ? "state>" + std::to_string(first - 1) + " AND " : std::string();
    ranges.push_back(first > 0 && first == last ? "state=" + std::to_string(first)
                                                : above + "state<" + std::to_string(last + 1));
    first = last;
  }
  std::string condition;
  for (const auto& range : ranges) condition += (condition.empty() ? "" : " OR ") + range;
  return ranges.size() > 1 ? "(" + condition + ")" : condition;
}

}  // namespace ota::storage
