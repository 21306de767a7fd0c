// Conditions that select devices and tasks: `field op value` (docs/rest.md, Selection).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/result.hpp"
#include "ota/domain/task.hpp"

namespace ota {

/// When which devices are online.
struct Presence {
  WallTime now{};
  Millis present{0};  ///< Device::online_for()

  bool has(const Device& device) const {
    return device.last_seen && *device.last_seen + device.online_for(present) >= now;
  }
  /// No device is online whose last contact was before that.
  WallTime earliest() const { return now - std::max<Millis>(present, Device::kLongestPatience); }
};

/// What conditions are checked against: a device, or a task with its device.
struct Subject {
  const Device* device = nullptr;  ///< null: a task whose device was removed
  const Task* task = nullptr;      ///< null: a device is selected
  Presence presence{};
  std::optional<TaskState> outcome{};  ///< state of the device's last task
};

/// A value of a Subject: monostate is a value that isn't there.
using Fact = std::variant<std::monostate, std::string_view, std::int64_t>;

/// How the values of a field are written and compared.
enum class Compared : std::uint8_t {
  text,     ///< byte by byte
  version,  ///< as compare_versions(); empty: unknown
  flag,     ///< `true`, `false`
  time,     ///< RFC 3339, or `never`; milliseconds since 1970
  link,     ///< LinkVerdict
  state,    ///< TaskState, or `none`
  rollout   ///< number of a rollout, written as its id, or `none`
};

/// A field that conditions can name. Adding one takes a row in selection.cpp, and one in storage/selection_sql.cpp.
struct Field {
  std::string_view name;
  Compared as = Compared::text;
  bool of_task = false;  ///< only tasks have it
  Fact (*of)(const Subject& subject, const std::string& key) = nullptr;
  bool keyed = false;  ///< `tag` stands for `tag.KEY`
};
std::span<const Field> selection_fields();

enum class Op : std::uint8_t { equal, not_equal, less, at_most, greater, at_least, like };
std::string_view to_string(Op op);

/// A value; made by parse_condition().
struct FieldCondition {
  const Field* field = nullptr;
  std::string key;  ///< of a field that is keyed
  Op op = Op::equal;
  std::string value;                   ///< of texts and versions; empty: unknown
  std::optional<std::int64_t> number;  ///< of the others; nothing: `never`, `none`
};

inline constexpr std::size_t kMaxConditions = 16;  ///< of one selection
inline constexpr std::size_t kMaxCondition = 512;  ///< bytes of one

enum class Selects : std::uint8_t { devices, tasks };

/// `field op value`, with blanks around the operator or without. Errc::malformed: the message says what is wrong with
/// which part, and what there is instead.
Result<FieldCondition> parse_condition(std::string_view text, Selects what);

/// Whether all conditions hold. What a subject doesn't have (an unknown version, a tag that isn't set, a removed
/// device) equals only the empty value, `unknown`, `never` or `none`, differs from all others, and no other operator
/// holds for it.
bool matches(std::span<const FieldCondition> conditions, const Subject& subject);

/// The operator `~`, without regard to the case of ASCII letters: a pattern with `*` (any text) or `?` (one character)
/// must match all of `text`, any other must occur in it. Linear in time and space for each `*`.
bool text_like(std::string_view text, std::string_view pattern);

}  // namespace ota
