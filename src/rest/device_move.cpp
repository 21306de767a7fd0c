// POST /devices/move: devices follow another channel (docs/rest.md, Devices).
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ota/domain/ids.hpp"
#include "rest/body_fields.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/query.hpp"
#include "rest/selection.hpp"

namespace ota::rest {
namespace {

constexpr std::size_t kUnknownDevicesNamed = 1'000;

struct MoveRequest {
  engine::MoveOrder move;  ///< its devices, or those of the selection
  std::optional<storage::Selection> selection;
};

Result<MoveRequest> move_request_of(wire::JsonFields fields, const Context& context) {
  MoveRequest order;
  fields.require("channel");
  order.move.channel = fields.text("channel", kMaxText).value_or("");
  auto devices = fields.texts("devices", engine::MoveOrder::kMaxDevices, kMaxText);
  order.selection = ordered_devices(fields, context);
  fields.refuse_unknown({"channel", "devices", "where"});
  if (fields.has("devices") == fields.has("where"))
    fields.errors().add("devices", "or \"where\" must be given, and not both");
  if (devices) order.move.devices = std::move(*devices);
  if (auto checked = fields.check(Errc::malformed); !checked) return checked.error();
  return order;
}

void add(engine::Moved& sum, engine::Moved more) {
  sum.moved += more.moved;
  sum.will_update += more.will_update;
  for (auto& id : more.unknown)
    if (sum.unknown.size() < kUnknownDevicesNamed) sum.unknown.push_back(std::move(id));
}

boost::asio::awaitable<Result<engine::Moved>> move(Context& context, Caller caller, engine::MoveOrder order) {
  std::function<void(engine::Done<engine::Moved>)> start = [&context, order = std::move(order),
                                                            caller = std::move(caller)](auto done) {
    context.engine.fleet().move_devices(order, caller, std::move(done));
  };
  auto moving = command<engine::Moved>(std::move(start));
  co_return co_await std::move(moving);
}

/// As many at once as the engine takes; other commands go between.
boost::asio::awaitable<Result<engine::Moved>> move_selected(Context& context, Caller caller, MoveRequest order) {
  engine::Moved sum;
  std::optional<storage::Place> at;
  bool first = true;
  do {
    auto reading = device_page(context, *order.selection, engine::MoveOrder::kMaxDevices, at);
    auto page = co_await std::move(reading);
    if (!page) co_return page.error();
    order.move.devices.clear();
    for (const auto& device : page->rows) order.move.devices.push_back(device.id);
    at = std::move(page->next);
    // None at all: the engine still says whether the channel exists.
    if (order.move.devices.empty() && !first) continue;
    first = false;
    auto moving = move(context, caller, order.move);
    auto moved = co_await std::move(moving);
    if (!moved) co_return moved.error();
    add(sum, std::move(*moved));
  } while (at);
  co_return sum;
}

/// Each of them. Errc::not_authorized.
boost::asio::awaitable<Result<void>> check_all_reach(Context& context, const Call& call,
                                                     std::vector<std::string> devices) {
  if (!call.scope.limited()) co_return Result<void>{};
  std::function<Result<std::string>(storage::ReadView&)> job =
      [scope = call.scope, devices = std::move(devices)](storage::ReadView& view) -> Result<std::string> {
    for (const auto& id : devices)
      if (!scope.has(view, id)) return id;
    return std::string();
  };
  const auto outside = co_await read<std::string>(context.readers, std::move(job));
  if (!outside) co_return outside.error();
  if (!outside->empty()) co_return out_of_scope(call, fmt::format("device {}", *outside));
  co_return Result<void>{};
}

}  // namespace

Answering move_devices(Context& context, Call& call) {
  auto query = QueryFields::parse(call.request.query(), {"dry_run"});
  if (!query) co_return query.error();
  const bool dry_run = query->boolean("dry_run").value_or(false);
  if (auto checked = query->check(); !checked) co_return checked.error();
  auto fields = co_await fields_of(call);
  if (!fields) co_return fields.error();
  auto order = move_request_of(std::move(*fields), context);
  if (!order) co_return order.error();
  order->move.dry_run = dry_run;
  if (order->selection) call.scope.narrow(order->selection->conditions);
  auto reaches = co_await check_all_reach(context, call, order->move.devices);
  if (!reaches) co_return reaches.error();
  auto moving = order->selection ? move_selected(context, call.caller(), std::move(*order))
                                 : move(context, call.caller(), std::move(order->move));
  const auto moved = co_await std::move(moving);
  if (!moved) co_return moved.error();
  const Json json = {{"moved", moved->moved}, {"unknown", moved->unknown}, {"will_update", moved->will_update}};
  co_return wire::json_reply(200, to_text(json));
}

}  // namespace ota::rest
