// GET, PUT, PATCH and DELETE of devices, and their tokens (docs/rest.md, Devices).
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "ota/domain/window.hpp"
#include "ota/firmware/hash.hpp"
#include "ota/wire/json_fields.hpp"
#include "rest/device_change.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/list_page.hpp"
#include "rest/query.hpp"
#include "rest/selection.hpp"
#include "rest/task_view.hpp"

namespace ota::rest {
namespace {

struct Listed {
  Device device;
  std::optional<Task> active;
};

constexpr CsvColumn kDeviceColumns[] = {{"id", "/device_id"},
                                  {"hardware", "/hardware"},
                                  {"version", "/current_version"},
                                  {"version_confirmed", "/version_confirmed"},
                                  {"last_seen", "/last_seen"},
                                  {"protocol", "/protocol"},
                                  {"client", "/client"},
                                  {"link", "/link/verdict"},
                                  {"registered", "/registered"},
                                  {"has_token", "/has_token"},
                                  {"active_task", "/active_task/task_id"},
                                  {"tags", "/tags"},
                                  {"created_at", "/created_at"}};

Result<DeviceId> device_id_of(const Call& call) {
  if (auto id = DeviceId::parse(call.arguments.at(0))) return std::move(*id);
  return fail(Errc::unknown_device, fmt::format("there is no such device: an id {}", kDeviceIdRule));
}

/// The scope must have the device before the change and after it, and a new one after it. Errc::not_authorized.
boost::asio::awaitable<Result<void>> check_change_reach(Context& context, const Call& call,
                                                        const engine::DeviceChange& change) {
  if (!call.scope.limited()) co_return Result<void>{};
  std::function<Result<bool>(storage::ReadView&)> job = [scope = call.scope,
                                                         change](storage::ReadView& view) -> Result<bool> {
    const auto there = view.devices.find(change.device);
    if (there && !scope.has(*there)) return false;
    Device fresh;
    fresh.id = change.device;
    const auto after = changed(there.value_or(fresh), change);
    return !after || scope.has(*after);  // what is wrong with it otherwise, the engine says
  };
  const auto inside = co_await read<bool>(context.readers, std::move(job));
  if (!inside) co_return inside.error();
  if (!*inside) co_return out_of_scope(call, fmt::format("device {}, or what it would become,", change.device));
  co_return Result<void>{};
}

Json json_of(Context& context, const Listed& row) {
  std::optional<engine::TransferView> live;
  if (row.active) live = context.engine.transfers().view(row.active->id.number);
  return device_json(row.device, row.active, live);
}

}  // namespace

Answering list_devices(Context& context, Call& call) {
  auto query = QueryFields::parse(call.request.query(), {kWhere, "sort", "count", "limit", "cursor"}, kWhere);
  if (!query) co_return query.error();
  auto list = selected_list(*query, Selects::devices, context);
  call.scope.narrow(list.selection.conditions);
  if (auto checked = query->check(); !checked) co_return checked.error();
  if (list.count) {
    std::function<std::int64_t(storage::ReadView&)> count = [list](auto& view) {
      return view.devices.count(list.selection);
    };
    co_return co_await answer_count(context, std::move(count));
  }

  std::function<Result<ListPage>(storage::ReadView&)> job = [&context,
                                                             list](storage::ReadView& view) -> Result<ListPage> {
    const auto found = view.devices.list(list.selection, list.limit, list.after);
    const auto transfers = context.engine.transfers().views();
    ListPage page;
    if (found.next) page.next = cursor_of(Selects::devices, *found.next);
    for (const auto& device : found.rows) {
      const auto active = storage::if_readable([&] { return view.tasks.active_of(device.id); });
      page.items.push_back(device_json(device, active, active ? live_of(transfers, active->id) : std::nullopt));
    }
    return page;
  };
  co_return co_await read_list(context, call, kDeviceColumns, std::move(job));
}

Answering get_device(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  auto id = device_id_of(call);
  if (!id) co_return id.error();
  std::function<Result<Listed>(storage::ReadView&)> job = [id = id->str()](storage::ReadView& view) -> Result<Listed> {
    auto device = view.devices.find(id);
    if (!device) return fail(Errc::unknown_device, fmt::format("device {} is not known", id));
    auto active = storage::if_readable([&] { return view.tasks.active_of(id); });
    return Listed{std::move(*device), std::move(active)};
  };
  auto row = co_await read<Listed>(context.readers, std::move(job));
  if (!row) co_return row.error();
  auto json = json_of(context, *row);
  json["attributes"] = row->device.attributes;  // up to 25 KB: not in lists
  co_return wire::json_reply(200, to_text(json));
}

namespace {

/// `null` clears it.
std::optional<std::string> timezone_of(wire::JsonFields& fields) {
  if (fields.is_null("timezone")) return "";
  auto name = fields.text("timezone", 4096);
  if (name && !known_timezone(*name))
    fields.errors().add("timezone", "is no time zone of this machine's database, such as Europe/Berlin");
  return name;
}

Answering change_device(Context& context, Call& call, bool may_create) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  if (auto json = require_json(call); !json) co_return json.error();
  auto id = DeviceId::parse(call.arguments.at(0));
  if (!id) co_return field_error("id", kDeviceIdRule);
  auto body = co_await call.request.read_all(kMaxBody);
  if (!body) co_return body.error();
  auto fields = wire::JsonFields::parse(body->empty() ? "{}" : *body, Errc::malformed);
  if (!fields) co_return fields.error();
  auto change = change_of(*fields, id->str());
  change.pinned = fields->is_null("pinned") ? false : fields->boolean("pinned");
  change.timezone = timezone_of(*fields);
  fields->refuse_unknown({"hardware", "channel", "pinned", "timezone", "tags"});
  if (auto checked = fields->check(Errc::malformed); !checked) co_return checked.error();
  change.may_create = may_create;

  auto reaches = co_await check_change_reach(context, call, change);
  if (!reaches) co_return reaches.error();

  using Put = engine::PutDevice;
  std::function<void(engine::Done<Put>)> start = [&context, change, caller = call.caller()](auto done) {
    context.engine.registry().change_device(change, caller, std::move(done));
  };
  auto put = co_await command<Put>(std::move(start));
  if (!put) co_return put.error();
  auto reply =
      wire::json_reply(put->created ? 201 : 200, to_text(device_json(put->device, std::nullopt, std::nullopt)));
  if (put->created) add_location(context, reply, "/devices/" + percent_encode(id->str()));
  co_return reply;
}

}  // namespace

Answering put_device(Context& context, Call& call) { return change_device(context, call, true); }

Answering patch_device(Context& context, Call& call) { return change_device(context, call, false); }

Answering delete_device(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  auto id = device_id_of(call);
  if (!id) co_return id.error();
  std::function<void(engine::Done<void>)> start = [&context, id = id->str(), caller = call.caller()](auto done) {
    context.engine.registry().remove_device(id, caller, std::move(done));
  };
  auto removed = co_await command<void>(std::move(start));
  if (!removed) co_return removed.error();
  co_return wire::no_content_reply();
}

Answering issue_device_token(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  auto id = device_id_of(call);
  if (!id) co_return id.error();
  const auto token = firmware::base64url(firmware::random_bytes(kTokenBytes));
  std::function<void(engine::Done<void>)> start = [&context, id = id->str(), secret = firmware::sha256(token),
                                                   caller = call.caller()](auto done) {
    context.engine.registry().set_device_secret(id, secret, caller, std::move(done));
  };
  auto set = co_await command<void>(std::move(start));
  if (!set) co_return set.error();
  const Json json = {{"device_id", id->str()}, {"token", token}};
  co_return wire::json_reply(201, to_text(json));
}

}  // namespace ota::rest
