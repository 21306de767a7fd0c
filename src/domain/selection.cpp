#include "ota/domain/selection.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ota/base/text.hpp"
#include "ota/domain/rollout.hpp"
#include "ota/domain/version.hpp"

namespace ota {
namespace {

constexpr std::string_view kOperators[] = {"=", "!=", "<", "<=", ">", ">=", "~"};

Fact text_of(std::string_view text) { return text.empty() ? Fact{} : Fact{text}; }
Fact time_of(const std::optional<WallTime>& time) { return time ? Fact{time->time_since_epoch().count()} : Fact{}; }
template <class E>
Fact word_of(E value) {
  return static_cast<std::int64_t>(value);
}

/// A fact of the device, where there is one.
template <class Of>
Fact device_fact(const Subject& s, Of of) {
  return s.device ? of(*s.device) : Fact{};
}

Fact id_of(const Subject& s, const std::string&) { return s.task ? s.task->device : s.device->id; }
Fact version_of(const Subject& s, const std::string&) {
  return text_of(s.task ? s.task->version : s.device->current_version);
}
Fact online_of(const Subject& s, const std::string&) {
  return device_fact(s, [&](const Device& d) { return word_of(s.presence.has(d)); });
}
Fact outcome_of(const Subject& s, const std::string&) {
  return s.device && s.outcome ? word_of(*s.outcome) : Fact{};
}
/// Of the tags, or of the attributes.
template <auto texts>
Fact keyed_text(const Subject& s, const std::string& key) {
  return device_fact(s, [&](const Device& d) {
    const auto found = (d.*texts).find(key);
    return found == (d.*texts).end() ? Fact{} : text_of(found->second);
  });
}

constexpr Field kFields[] = {
    {"id", Compared::text, false, id_of},
    {"hardware", Compared::text, false,
     [](const Subject& s, auto&) { return device_fact(s, [](auto& d) { return text_of(d.hardware); }); }},
    {"version", Compared::version, false, version_of},
    {"channel", Compared::text, false,
     [](const Subject& s, auto&) { return device_fact(s, [](auto& d) { return text_of(d.channel); }); }},
    {"online", Compared::flag, false, online_of},
    {"last_seen", Compared::time, false,
     [](const Subject& s, auto&) { return device_fact(s, [](auto& d) { return time_of(d.last_seen); }); }},
    {"link", Compared::link, false,
     [](const Subject& s, auto&) { return device_fact(s, [](auto& d) { return word_of(d.quality.verdict); }); }},
    {"outcome", Compared::state, false, outcome_of},
    {"tag", Compared::text, false, keyed_text<&Device::tags>, true},
    {"attr", Compared::text, false, keyed_text<&Device::attributes>, true},
    {"state", Compared::state, true, [](const Subject& s, auto&) { return word_of(s.task->state); }},
    {"reason", Compared::text, true, [](const Subject& s, auto&) { return text_of(s.task->reason); }},
    {"created_at", Compared::time, true, [](const Subject& s, auto&) { return time_of(s.task->created); }},
    {"created_by", Compared::text, true, [](const Subject& s, auto&) { return text_of(s.task->created_by); }},
    {"rollout", Compared::rollout, true,
     [](const Subject& s, auto&) { return s.task->rollout > 0 ? Fact{s.task->rollout} : Fact{}; }},
};

// --- parsing

Error refuse(std::string_view text, std::string message) {
  return fail(Errc::malformed, fmt::format("condition \"{}\": {}", text, message));
}

std::string meant(std::string_view word, std::span<const std::string_view> known) {
  const auto found = closest(word, known);
  return found.empty() ? std::string() : fmt::format(" (did you mean {}?)", found);
}

std::vector<std::string> names_of(Selects what) {
  std::vector<std::string> names;
  for (const auto& field : kFields)
    if (what == Selects::tasks || !field.of_task)
      names.push_back(fmt::format("{}{}", field.name, field.keyed ? ".KEY" : ""));
  return names;
}

std::string operators_of(Compared as) {
  switch (as) {
    case Compared::text:
    case Compared::version:
      return fmt::format("{}", fmt::join(kOperators, " "));
    case Compared::time:
      return "= != < <= > >=";
    default:
      return "= !=";
  }
}

bool has_operator(Compared as, Op op) {
  if (op == Op::equal || op == Op::not_equal) return true;
  if (as == Compared::time) return op != Op::like;
  return as == Compared::text || as == Compared::version;
}

Result<const Field*> find_field(std::string_view text, std::string_view name, Selects what) {
  const auto dot = std::min(name.find('.'), name.size());
  for (const auto& field : kFields) {
    if (field.name != (field.keyed ? name.substr(0, dot) : name)) continue;
    if (field.of_task && what != Selects::tasks) continue;
    if (field.keyed && dot + 1 >= name.size())
      return refuse(text, fmt::format("{} needs a key: {}.KEY", field.name, field.name));
    return &field;
  }
  const auto names = names_of(what);
  const std::vector<std::string_view> views(names.begin(), names.end());
  return refuse(text, fmt::format("field \"{}\" is unknown{}; known are {}", name, meant(name, views),
                                  fmt::join(names, ", ")));
}

Result<std::optional<std::int64_t>> number_of(std::string_view text, std::string_view value, Compared as) {
  if (as == Compared::flag) {
    if (value == "true" || value == "false") return value == "true" ? 1 : 0;
    return refuse(text, fmt::format("\"{}\" must be true or false", value));
  }
  if (as == Compared::time) {
    if (value == "never") return std::optional<std::int64_t>{};
    if (const auto time = parse_rfc3339(value)) return time->time_since_epoch().count();
    return refuse(text, fmt::format("\"{}\" must be a time as 2026-11-22T08:30:00Z, or never", value));
  }
  if (as != Compared::link && value == "none") return std::optional<std::int64_t>{};
  if (as == Compared::rollout) {
    if (const auto id = RolloutId::parse(value)) return id->number;
    return refuse(text, fmt::format("\"{}\" must be the id of a rollout, or none", value));
  }
  std::vector<std::string_view> words;
  if (as == Compared::link) {
    for (auto verdict : {LinkVerdict::unknown, LinkVerdict::good, LinkVerdict::fair, LinkVerdict::poor})
      words.push_back(to_string(verdict));
  } else {
    words.assign(task_state_names().begin(), task_state_names().end());
  }
  const auto found = std::find(words.begin(), words.end(), value);
  if (found != words.end()) return found - words.begin();
  return refuse(text, fmt::format("\"{}\" must be one of {}{}{}", value, fmt::join(words, ", "),
                                  as == Compared::state ? ", none" : "", meant(value, words)));
}

/// Sets the condition's value. Errc::malformed.
Result<void> take_value(FieldCondition& condition, std::string_view text, std::string_view value) {
  const auto as = condition.field->as;
  const bool equality = condition.op == Op::equal || condition.op == Op::not_equal;
  if (as == Compared::text || as == Compared::version) {
    if (as == Compared::version && value == "unknown") value = {};
    if (as == Compared::version && condition.op != Op::like && !value.empty() && !valid_version(value))
      return refuse(text, fmt::format("\"{}\" is no version (in a query, write + as %2B)", value));
    if (value.empty() && !equality)
      return refuse(text, fmt::format("what is unknown is only found by = and !=; {} needs a value",
                                      to_string(condition.op)));
    condition.value = value;
    return {};
  }
  auto number = number_of(text, value, as);
  if (!number) return number.error();
  condition.number = *number;
  if (!condition.number && !equality) return refuse(text, fmt::format("\"{}\" is only found by = and !=", value));
  return {};
}

// --- matching

bool holds(Op op, std::weak_ordering order) {
  switch (op) {
    case Op::equal:
      return order == 0;
    case Op::not_equal:
      return order != 0;
    case Op::less:
      return order < 0;
    case Op::at_most:
      return order <= 0;
    case Op::greater:
      return order > 0;
    case Op::at_least:
      return order >= 0;
    case Op::like:
      return false;
  }
  return false;
}

bool text_holds(const FieldCondition& condition, std::string_view text) {
  if (condition.op == Op::like) return text_like(text, condition.value);
  if (condition.value.empty()) return condition.op == Op::not_equal;
  if (condition.field->as == Compared::text) return holds(condition.op, text <=> std::string_view(condition.value));
  if (!valid_version(text)) return condition.op == Op::not_equal;
  return holds(condition.op, compare_versions(text, condition.value));
}

bool condition_holds(const FieldCondition& condition, const Subject& subject) {
  const auto fact = condition.field->of(subject, condition.key);
  if (const auto* text = std::get_if<std::string_view>(&fact)) return text_holds(condition, *text);
  if (const auto* number = std::get_if<std::int64_t>(&fact))
    return condition.number ? holds(condition.op, *number <=> *condition.number) : condition.op == Op::not_equal;
  const bool wants_none = condition.value.empty() && !condition.number;
  return condition.op == (wants_none ? Op::equal : Op::not_equal);
}

constexpr std::size_t character_bytes(std::string_view text) {
  std::size_t bytes = 1;
  while (bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) ++bytes;
  return bytes;
}

/// `*` and `?`; goes back to the last `*` only.
bool glob(std::string_view text, std::string_view pattern) {
  std::optional<std::string_view> after_star;
  std::string_view at_star;
  while (!text.empty()) {
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      after_star = pattern;
      at_star = text;
    } else if (!pattern.empty() && pattern.front() == '?') {
      pattern.remove_prefix(1);
      text.remove_prefix(character_bytes(text));
    } else if (!pattern.empty() && to_lower(pattern.front()) == to_lower(text.front())) {
      pattern.remove_prefix(1);
      text.remove_prefix(1);
    } else if (after_star) {
      pattern = *after_star;
      at_star.remove_prefix(1);
      text = at_star;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*') == std::string_view::npos;
}

}  // namespace

std::span<const Field> selection_fields() { return kFields; }

std::string_view to_string(Op op) { return kOperators[static_cast<std::size_t>(op)]; }

Result<FieldCondition> parse_condition(std::string_view text, Selects what) {
  if (text.size() > kMaxCondition)
    return fail(Errc::malformed, fmt::format("a condition has at most {} bytes", kMaxCondition));
  if (has_control(text)) return fail(Errc::malformed, "a condition must not hold control characters");
  const auto begin = text.find_first_of("=!<>~");
  if (begin == std::string_view::npos)
    return refuse(text, fmt::format("must be: field operator value; operators are {}", fmt::join(kOperators, " ")));
  const auto end = std::min(text.find_first_not_of("=!<>~", begin), text.size());
  const auto name = trim(text.substr(0, begin));
  const auto sign = text.substr(begin, end - begin);

  auto field = find_field(text, name, what);
  if (!field) return field.error();
  FieldCondition condition;
  condition.field = *field;
  if (condition.field->keyed) condition.key = name.substr(condition.field->name.size() + 1);
  const auto found = std::find(std::begin(kOperators), std::end(kOperators), sign);
  if (found == std::end(kOperators))
    return refuse(text, fmt::format("operator \"{}\" is unknown; known are {}; a value that begins with one of their "
                                    "characters needs a blank before it",
                                    sign, fmt::join(kOperators, " ")));
  condition.op = static_cast<Op>(found - std::begin(kOperators));
  if (!has_operator(condition.field->as, condition.op))
    return refuse(text, fmt::format("{} has no operator {}; it has {}", name, sign, operators_of(condition.field->as)));
  if (auto taken = take_value(condition, text, trim(text.substr(end))); !taken) return taken.error();
  return condition;
}

bool matches(std::span<const FieldCondition> conditions, const Subject& subject) {
  return std::all_of(conditions.begin(), conditions.end(),
                     [&](const FieldCondition& condition) { return condition_holds(condition, subject); });
}

bool text_like(std::string_view text, std::string_view pattern) {
  if (pattern.find_first_of("*?") != std::string_view::npos) return glob(text, pattern);
  const auto same = [](char a, char b) { return to_lower(a) == to_lower(b); };
  return std::search(text.begin(), text.end(), pattern.begin(), pattern.end(), same) != text.end() || pattern.empty();
}

}  // namespace ota
