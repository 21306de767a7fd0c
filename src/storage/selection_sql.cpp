#include "storage/selection_sql.hpp"

#include <fmt/format.h>

#include <utility>

#include "ota/domain/version.hpp"
#include "storage/selection_columns.hpp"

namespace ota::storage {
namespace {

SqlValue number_or_none(const FieldCondition& condition) { return condition.number.value_or(kNone); }

/// How the operator compares a column with a `?`.
std::string_view sign(Op op) { return op == Op::not_equal ? "<>" : to_string(op); }

Sql in_span(const Sql& column, const Span& span) {
  if (span.is_one()) {
    Sql sql = column;
    return sql += {"=?", {*span.from}};
  }
  Sql sql{"("};
  if (span.from) (sql += column) += {span.with_from ? ">=?" : ">?", {*span.from}};
  if (span.from && span.to) sql += {" AND "};
  if (span.to) (sql += column) += {span.with_to ? "<=?" : "<?", {*span.to}};
  return sql += {span.from || span.to ? ")" : "1)"};
}

// --- versions

SqlValue first_of(VersionKind kind) { return VersionKey{static_cast<std::uint8_t>(kind)}; }
SqlValue behind(VersionKind kind) { return VersionKey{static_cast<std::uint8_t>(static_cast<int>(kind) + 1)}; }

/// The keys of that kind for which `key op …` holds.
Span version_span(Op op, VersionKind kind, const VersionKey& key) {
  switch (op) {
    case Op::less:
    case Op::at_most:
      return {first_of(kind), true, key, op == Op::at_most};
    case Op::greater:
    case Op::at_least:
      return {key, op == Op::at_least, behind(kind), false};
    default:
      return span_at(key);
  }
}

/// Of an equality or a range.
struct VersionSpans {
  std::vector<Span> spans;
  bool one_by_one = false;  ///< the last span has all SemVer versions: no key has their place among plain ones
};
VersionSpans version_spans(const FieldCondition& condition) {
  const auto key = version_key(condition.value);
  const auto kind = version_kind(condition.value);
  if (kind == VersionKind::unknown) return {{span_at(key)}};
  if (kind == VersionKind::semver)
    return {{version_span(condition.op, VersionKind::plain, version_key_among_plain(condition.value)),
             version_span(condition.op, VersionKind::semver, key)}};
  return {{version_span(condition.op, VersionKind::plain, key),
           {first_of(VersionKind::semver), true, behind(VersionKind::semver), false}},
          true};
}

Sql version_holds(const FieldCondition& condition, const Column& column) {
  const Sql key{std::string(column.sql)};
  auto positive = condition;
  if (condition.op == Op::not_equal) positive.op = Op::equal;
  const auto found = version_spans(positive);
  Sql sql{condition.op == Op::not_equal ? "NOT (" : "("};
  for (std::size_t i = 0; i < found.spans.size(); ++i) {
    if (i > 0) sql += {" OR "};
    sql += in_span(key, found.spans[i]);
  }
  if (found.one_by_one)
    sql += {fmt::format(" AND version_order({}, ?){}0", column.text, sign(positive.op)), {condition.value}};
  return sql += {")"};
}

// --- conditions

/// The column of a device; the key of a tag or an attribute is a parameter of its own.
Sql column_sql(const FieldCondition& condition, const Column& column) {
  if (column.index != Index::texts) return {std::string(column.sql)};
  return {fmt::format("COALESCE((SELECT value FROM {} WHERE device=d.id AND key=?), '')", column.sql),
          {condition.key}};
}

Sql text_holds(const FieldCondition& condition, const Sql& text) {
  if (condition.op == Op::equal || condition.op == Op::not_equal) {
    Sql sql = text;
    return sql += {fmt::format("{}?", sign(condition.op)), {condition.value}};
  }
  Sql sql{"("};
  (sql += text) += {"<>'' AND "};
  if (condition.op == Op::like) {
    sql += {"text_like("};
    (sql += text) += {", ?))", {condition.value}};
  } else {
    (sql += text) += {fmt::format("{}?)", sign(condition.op)), {condition.value}};
  }
  return sql;
}

/// Of the only flag, `online`.
bool wants_online(const FieldCondition& condition) { return (condition.number == 1) == (condition.op == Op::equal); }

/// Presence::has()
Sql online_holds(const FieldCondition& condition, const Presence& presence) {
  Device each_second;
  each_second.poll = std::chrono::seconds{1};
  return {fmt::format("(d.seen<>{} AND d.seen+MAX(d.poll_s*{}, ?)>=?)={:d}", kNone, each_second.patience().count(),
                      wants_online(condition)),
          {presence.present.count(), presence.now.time_since_epoch().count()}};
}

Sql number_holds(const FieldCondition& condition, const Sql& number) {
  const bool equality = condition.op == Op::equal || condition.op == Op::not_equal;
  Sql sql{"("};
  if (!equality) (sql += number) += {fmt::format("<>{} AND ", kNone)};
  return (sql += number) += {fmt::format("{}?)", sign(condition.op)), {number_or_none(condition)}};
}

Sql holds(const FieldCondition& condition, const Column& column, const Presence& presence) {
  const auto as = condition.field->as;
  if (as == Compared::version && condition.op == Op::like)
    return text_holds(condition, {std::string(column.text)});
  if (as == Compared::version) return version_holds(condition, column);
  if (as == Compared::flag) return online_holds(condition, presence);
  const auto sql = column_sql(condition, column);
  return as == Compared::text ? text_holds(condition, sql) : number_holds(condition, sql);
}

/// A condition on the device of a task, which may be gone.
Sql device_holds(const FieldCondition& condition, const Presence& presence) {
  const bool wants_none = condition.value.empty() && !condition.number;
  const bool without = condition.op == (wants_none ? Op::equal : Op::not_equal);
  Sql sql{"COALESCE((SELECT "};
  sql += holds(condition, *find_column(*condition.field, Selects::devices), presence);
  return sql += {fmt::format(" FROM devices d WHERE d.id=t.device), {:d})", without)};
}

// --- which index

bool is_equality(const FieldCondition& condition) {
  return condition.op == Op::equal && condition.field->as != Compared::flag;
}

Span number_span(const FieldCondition& condition) {
  const auto number = number_or_none(condition);
  switch (condition.op) {
    case Op::less:
    case Op::at_most:
      return {SqlValue{kNone}, false, number, condition.op == Op::at_most};
    case Op::greater:
    case Op::at_least:
      return {number, condition.op == Op::at_least};
    default:
      return span_at(number);
  }
}

Span text_span(const FieldCondition& condition) {
  const SqlValue value = condition.value;
  switch (condition.op) {
    case Op::less:
    case Op::at_most:
      return {SqlValue{std::string()}, false, value, condition.op == Op::at_most};
    case Op::greater:
    case Op::at_least:
      return {value, condition.op == Op::at_least};
    default:
      return span_at(value);
  }
}

std::int64_t number_of(WallTime time) { return time.time_since_epoch().count(); }

std::vector<Span> spans_of(const FieldCondition& condition, const Presence& presence) {
  switch (condition.field->as) {
    case Compared::version:
      return version_spans(condition).spans;
    case Compared::text:
      return {text_span(condition)};
    case Compared::flag:
      if (wants_online(condition)) return {Span{number_of(presence.earliest()), true}};
      return {Span{{}, false, number_of(presence.now - presence.present), false}};
    default:
      return {number_span(condition)};
  }
}

/// Whether an index finds its rows: not those that have nothing in a table beside, and not almost all.
bool has_index(const FieldCondition& condition, Selects what) {
  const bool flag = condition.field->as == Compared::flag;
  if (condition.op == Op::like || (condition.op == Op::not_equal && !flag)) return false;
  const auto* column = find_column(*condition.field, what);
  if (!column || column->index == Index::none) return false;
  if (column->index == Index::texts) return !condition.value.empty();
  if (column->index == Index::outcomes)
    return condition.op == Op::equal && condition.number && kEnded.contains(static_cast<TaskState>(*condition.number));
  return true;
}

/// The condition whose index leaves the fewest rows, as far as can be told without looking.
const FieldCondition* best_of(const Selection& selection, Selects what) {
  const FieldCondition* best = nullptr;
  int best_rank = 0;
  for (const auto& condition : selection.conditions) {
    if (!has_index(condition, what)) continue;
    if (selection.sort_by && selection.sort_by != condition.field) continue;
    const int rank = find_column(*condition.field, what)->rank + (is_equality(condition) ? 0 : 100);
    if (best && best_rank <= rank) continue;
    best = &condition;
    best_rank = rank;
  }
  return best;
}

}  // namespace

Sql all_hold(const Selection& selection, Selects what) {
  Sql all{"1"};
  for (const auto& condition : selection.conditions) {
    all += {" AND "};
    const auto* column = find_column(*condition.field, what);
    all += column ? holds(condition, *column, selection.presence) : device_holds(condition, selection.presence);
  }
  return all;
}

Walk walk_of(const Selection& selection, Selects what) {
  const bool tasks = what == Selects::tasks;
  const auto* best = best_of(selection, what);
  const auto* field = best ? best->field : selection.sort_by;
  const auto* column = field ? find_column(*field, what) : nullptr;
  Walk walk;
  walk.id = tasks ? "t.number" : "d.id";
  walk.column = column ? std::string(column->sql) : walk.id;
  walk.from = {tasks ? "FROM tasks t WHERE " : "FROM devices d WHERE "};
  if (column && (column->index == Index::texts || column->index == Index::outcomes)) {
    const bool texts = column->index == Index::texts;
    walk.from = {fmt::format("FROM {} x CROSS JOIN devices d ON d.id=x.device WHERE ",
                             texts ? column->sql : "device_outcomes")};
    if (texts) walk.from += {"x.key=? AND ", {best->key}};
    walk.column = texts ? "x.value" : "x.state";
    walk.id = "x.device";
  }
  walk.spans = best ? spans_of(*best, selection.presence) : std::vector<Span>{Span{}};
  // Those that are online are among the last contacts.
  const bool latest_first = best && best->field->as == Compared::flag && wants_online(*best);
  walk.descending = selection.sort_by ? selection.descending : tasks || latest_first;
  return walk;
}

std::vector<Stretch> stretches(const Walk& walk, const std::optional<Place>& after) {
  const Sql column{walk.column};
  std::vector<Stretch> all;
  for (std::size_t i = 0; i < walk.spans.size(); ++i) {
    const auto at = walk.descending ? walk.spans.size() - 1 - i : i;
    const bool passed = after && (walk.descending ? at > after->span : at < after->span);
    if (passed) continue;
    auto span = walk.spans[at];
    if (after && at == after->span) {
      // The rest of the rows with that value, then the rest of the span.
      if (walk.column != walk.id) {
        auto rest = in_span(column, span_at(after->value));
        rest += {fmt::format(" AND {}{}?", walk.id, walk.descending ? '<' : '>'), {after->id}};
        all.push_back({at, std::move(rest)});
      }
      if (span.is_one()) continue;
      (walk.descending ? span.to : span.from) = after->value;
      (walk.descending ? span.with_to : span.with_from) = false;
    }
    all.push_back({at, in_span(column, span)});
  }
  return all;
}

std::vector<std::string_view> sort_fields(Selects what) {
  std::vector<std::string_view> names;
  for (const auto& field : selection_fields()) {
    const auto* column = find_column(field, what);
    if (column && column->index == Index::own && field.as != Compared::flag) names.push_back(field.name);
  }
  return names;
}

}  // namespace ota::storage
