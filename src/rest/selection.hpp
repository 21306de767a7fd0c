// `where`, `sort` and the cursor of a selected list (docs/rest.md, Lists).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ota/storage/selection.hpp"
#include "ota/wire/json_fields.hpp"
#include "rest/context.hpp"
#include "rest/query.hpp"

namespace ota::rest {

struct SelectedList {
  storage::Selection selection;
  int limit = kDefaultPage;
  std::optional<storage::Place> after;
  bool count = false;  ///< only how many there are
};

/// Parameters of a selected list, besides those that it has itself: for QueryFields::parse().
inline constexpr std::string_view kWhere = "where";

/// Reads `where`, `sort`, `count`, `limit` and `cursor` of the list `devices` or `tasks`.
SelectedList selected_list(QueryFields& query, Selects what, const Context& context);

/// Adds the errors to the field `where`.
std::vector<FieldCondition> conditions_of(const std::vector<std::string>& texts, Selects what,
                                          wire::FieldErrors& errors);

/// The devices of an order: `where` of its body; nothing without it. They are read by id, so that each is found once
/// although the order may change whether it is selected. Adds the errors to the field `where`.
std::optional<storage::Selection> ordered_devices(wire::JsonFields& fields, const Context& context);

/// At most `limit` of them, behind `after`.
boost::asio::awaitable<Result<storage::Selected<Device>>> device_page(Context& context, storage::Selection selection,
                                                                      std::size_t limit,
                                                                      std::optional<storage::Place> after);

/// Who is online now.
Presence presence_of(const Context& context);

std::string cursor_of(Selects what, const storage::Place& place);

/// `{"count": …}`.
Answering answer_count(Context& context, std::function<std::int64_t(storage::ReadView&)> count);

}  // namespace ota::rest
