// POST /devices/tags: tags of many devices (docs/rest.md, Devices).
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "rest/device_change.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/selection.hpp"

namespace ota::rest {
namespace {

constexpr std::size_t kRefusalsNamed = 100;

struct Order {
  Scope scope;
  storage::Selection selection;
  engine::DeviceChange change;  ///< of each device
};

Result<Order> order_of(std::string_view body, const Context& context, const Scope& scope) {
  auto fields = wire::JsonFields::parse(body, Errc::malformed);
  if (!fields) return fields.error();
  constexpr auto kMost = engine::DeviceChange::kMaxTags;
  fields->require("where");
  auto selection = ordered_devices(*fields, context);
  auto set = fields->text_map("set", kMost, kLongestTagName, kLongestTag).value_or(wire::JsonFields::TextMap{});
  const auto remove = fields->texts("remove", kMost, kLongestTagName).value_or(std::vector<std::string>{});
  fields->refuse_unknown({"where", "set", "remove"});

  Order order;
  for (const auto& [name, value] : set) {
    check_tag("set", name, value.value_or(""), fields->errors());
    if (!value) fields->errors().add("set", fmt::format("\"{}\" is null; \"remove\" removes tags", name));
  }
  order.change.registers = false;
  order.change.tags = std::move(set);
  for (const auto& name : remove) {
    check_tag("remove", name, {}, fields->errors());
    if (!order.change.tags.emplace(name, std::nullopt).second)
      fields->errors().add("remove", fmt::format("\"{}\" is set or named twice", name));
  }
  if (order.change.tags.empty()) fields->errors().add("set", "or \"remove\" must name a tag");
  if (auto checked = fields->check(Errc::malformed); !checked) return checked.error();
  order.selection = std::move(*selection);
  order.scope = scope;
  scope.narrow(order.selection.conditions);
  return order;
}

/// What was done.
struct Tally {
  std::int64_t matched = 0;
  std::int64_t changed = 0;
  std::int64_t refused = 0;
  std::vector<Json> refusals{};

  void refuse(const std::string& device, const std::string& reason) {
    ++refused;
    if (refusals.size() < kRefusalsNamed) refusals.push_back({{"device_id", device}, {"reason", reason}});
  }
};

/// Changes those of the page that the order changes.
boost::asio::awaitable<void> change_page(Context& context, Caller caller, const Order& order,
                                         const std::vector<Device>& devices, Tally& tally) {
  std::vector<engine::DeviceChange> changes;
  for (const auto& device : devices) {
    ++tally.matched;
    const auto after = changed(device, order.change);
    if (!after) {
      tally.refuse(device.id, after.error().message);
    } else if (!order.scope.has(*after)) {
      tally.refuse(device.id, "the device would leave the key's scope");
    } else if (after->tags != device.tags) {
      changes.push_back(order.change);
      changes.back().device = device.id;
    }
  }
  if (changes.empty()) co_return;
  auto waiting = change_all(context, changes, caller);
  const auto results = co_await std::move(waiting);
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i])
      ++tally.changed;
    else
      tally.refuse(changes[i].device, results[i].error().message);
  }
}

}  // namespace

Answering post_device_tags(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  if (auto json = require_json(call); !json) co_return json.error();
  auto body = co_await call.request.read_all(kMaxBody);
  if (!body) co_return body.error();
  const auto order = order_of(*body, context, call.scope);
  if (!order) co_return order.error();

  Tally tally;
  std::optional<storage::Place> at;
  do {
    auto reading = device_page(context, order->selection, kBatch, at);
    auto page = co_await std::move(reading);
    if (!page) co_return page.error();
    auto changing = change_page(context, call.caller(), *order, page->rows, tally);
    co_await std::move(changing);
    at = std::move(page->next);
  } while (at);
  const Json json = {{"matched", tally.matched},
                     {"changed", tally.changed},
                     {"unchanged", tally.matched - tally.changed - tally.refused},
                     {"refused", tally.refused},
                     {"refusals", tally.refusals}};
  co_return wire::json_reply(200, to_text(json));
}

}  // namespace ota::rest
