#include "rest/selection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "rest/json.hpp"

namespace ota::rest {
namespace {

std::string_view list_of(Selects what) { return what == Selects::tasks ? "tasks" : "devices"; }

void read_sort(QueryFields& query, Selects what, storage::Selection& selection) {
  const auto sort = query.text("sort");
  if (!sort) return;
  selection.descending = sort->starts_with('-');
  const auto name = std::string_view(*sort).substr(selection.descending ? 1 : 0);
  const auto known = storage::sort_fields(what);
  if (std::find(known.begin(), known.end(), name) == known.end())
    return query.errors().add("sort", wire::unknown_word(name, known) + "; descending with - before it");
  for (const auto& field : selection_fields())
    if (field.name == name) selection.sort_by = &field;
}

}  // namespace

SelectedList selected_list(QueryFields& query, Selects what, const Context& context) {
  SelectedList list;
  list.selection.conditions = conditions_of(query.texts(kWhere), what, query.errors());
  list.selection.presence = presence_of(context);
  read_sort(query, what, list.selection);
  list.count = query.boolean("count").value_or(false);
  const auto page = page_of(query, list_of(what));
  list.limit = page.limit;
  if (page.after.empty()) return list;
  list.after = storage::Place::parse(page.after, what);
  if (!list.after) query.errors().add("cursor", kWrongCursor);
  return list;
}

std::vector<FieldCondition> conditions_of(const std::vector<std::string>& texts, Selects what,
                                          wire::FieldErrors& errors) {
  std::vector<FieldCondition> conditions;
  if (texts.size() > kMaxConditions) errors.add("where", fmt::format("has more than {} conditions", kMaxConditions));
  for (const auto& text : texts) {
    auto condition = parse_condition(text, what);
    if (condition)
      conditions.push_back(std::move(*condition));
    else
      errors.add("where", condition.error().message);
  }
  return conditions;
}

std::optional<storage::Selection> ordered_devices(wire::JsonFields& fields, const Context& context) {
  const auto where = fields.texts("where", kMaxConditions, kMaxCondition);
  if (!where) return std::nullopt;
  if (where->empty()) fields.errors().add("where", "needs a condition; id~* selects all devices");
  storage::Selection selection;
  selection.conditions = conditions_of(*where, Selects::devices, fields.errors());
  selection.presence = presence_of(context);
  selection.sort_by = &selection_fields().front();
  return selection;
}

boost::asio::awaitable<Result<storage::Selected<Device>>> device_page(Context& context, storage::Selection selection,
                                                                      std::size_t limit,
                                                                      std::optional<storage::Place> after) {
  using DevicePage = storage::Selected<Device>;
  std::function<Result<DevicePage>(storage::ReadView&)> job =
      [selection = std::move(selection), limit, after = std::move(after)](auto& view) -> Result<DevicePage> {
    return view.devices.list(selection, static_cast<int>(limit), after);
  };
  auto reading = read<DevicePage>(context.readers, std::move(job));
  co_return co_await std::move(reading);
}

Presence presence_of(const Context& context) {
  return {context.clock.wall(), context.probes.present ? context.probes.present() : std::chrono::seconds{300}};
}

std::string cursor_of(Selects what, const storage::Place& place) { return cursor_of(list_of(what), place.str()); }

Answering answer_count(Context& context, std::function<std::int64_t(storage::ReadView&)> count) {
  std::function<Result<std::int64_t>(storage::ReadView&)> job =
      [count = std::move(count)](storage::ReadView& view) -> Result<std::int64_t> { return count(view); };
  const auto counted = co_await read<std::int64_t>(context.readers, std::move(job));
  if (!counted) co_return counted.error();
  co_return wire::json_reply(200, to_text({{"count", *counted}}));
}

}  // namespace ota::rest
