// Channels and their targets (docs/rest.md, Channels).
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ota/domain/ids.hpp"
#include "rest/body_fields.hpp"
#include "rest/fleet_counts.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/or_null.hpp"
#include "rest/query.hpp"
#include "rest/rollout_json.hpp"

namespace ota::rest {
namespace {

constexpr int kRolloutsShown = 100;  ///< of one channel

/// In a path: the target for devices of any hardware.
constexpr std::string_view kAnyHardware = "*";

Error no_such_channel(const std::string& name) {
  return fail(Errc::not_found, fmt::format("there is no channel {}; GET /channels lists what is there", name));
}

/// What is counted of all channels at once.
struct Counted {
  std::vector<storage::FleetCount> devices;
  std::vector<Target> targets;
};

Counted count(storage::ReadView& view, const std::string& channel, std::int64_t living_since) {
  return {view.fleet.counts(channel, living_since), view.fleet.targets()};
}

Json target_json(storage::ReadView& view, const Target& target) {
  const auto rollout = view.rollouts.find(target.rollout);
  return {{"version", target.version}, {"rollout_id", rollout ? Json(rollout->id.str()) : Json(nullptr)}};
}

/// Target and versions of each hardware type.
Json hardware_json(storage::ReadView& view, const Channel& channel, const Counted& counted) {
  std::map<std::string, Json> types;
  const auto type = [&](const std::string& hardware) -> Json& {
    auto& json = types[hardware];
    if (json.is_null())
      json = {{"hardware", or_null(hardware)}, {"target", nullptr}, {"versions", Json::array()}};
    return json;
  };
  for (const auto& target : counted.targets)
    if (target.channel == channel.name) type(target.hardware)["target"] = target_json(view, target);
  for (const auto& count : counted.devices)
    if (count.channel == channel.name) type(count.hardware)["versions"].push_back(version_json(count));
  auto list = Json::array();
  for (auto& [hardware, json] : types) list.push_back(std::move(json));
  return list;
}

Json channel_json(storage::ReadView& view, const Channel& channel, const Counted& counted, WallTime now) {
  std::int64_t all = 0;
  std::int64_t living = 0;
  for (const auto& count : counted.devices) {
    if (count.channel != channel.name) continue;
    all += count.devices;
    living += count.living;
  }
  const auto state = window_state(channel.windows, {}, now);
  storage::RolloutFilter open;
  open.channel = channel.name;
  open.states = open_states();
  auto rollouts = Json::array();
  for (const auto& rollout : view.rollouts.list(open, 0, kRolloutsShown))
    rollouts.push_back(rollout_name_json(rollout));
  return {{"name", channel.name},
          {"window", windows_json(channel.windows)},
          {"window_open", state.open},
          {"window_changes_at", or_null(state.next)},
          {"approval", channel.approval},
          {"notes", channel.notes},
          {"devices", {{"all", all}, {"living", living}}},
          {"hardware", hardware_json(view, channel, counted)},
          {"rollouts", std::move(rollouts)}};
}

Answering show_channel(Context& context, std::string name, unsigned status) {
  std::function<Result<std::string>(storage::ReadView&)> job =
      [name, now = context.clock.wall(), living = living_since_day(context)](auto& view) -> Result<std::string> {
    const auto channel = view.fleet.channel(name);
    if (!channel) return no_such_channel(name);
    return to_text(channel_json(view, *channel, count(view, name, living), now));
  };
  auto text = co_await read<std::string>(context.readers, std::move(job));
  if (!text) co_return text.error();
  auto reply = wire::json_reply(status, std::move(*text));
  if (status == 201) add_location(context, reply, "/channels/" + name);
  co_return reply;
}

Windows read_windows(wire::JsonFields& fields) {
  auto items = fields.objects("window", kMaxWindows);
  if (!items) return {};
  std::vector<WindowFields> windows;
  for (auto& item : *items) {
    WindowFields window;
    window.days = item.texts("days", 7, kMaxText).value_or(std::vector<std::string>{});
    for (const auto* name : {"from", "to"}) item.require(name);
    window.from = item.text("from", kMaxText).value_or("");
    window.to = item.text("to", kMaxText).value_or("");
    window.timezone = item.text("timezone", kMaxText).value_or("UTC");
    item.refuse_unknown({"days", "from", "to", "timezone"});
    fields.errors().add_nested(fmt::format("window[{}]", windows.size()), item.errors());
    windows.push_back(std::move(window));
  }
  if (!fields.errors().empty()) return {};
  auto parsed = parse_windows(windows, "window");
  if (parsed) return std::move(*parsed);
  for (const auto& error : parsed.error().fields) fields.errors().add(error.field, error.message);
  return {};
}

/// What isn't there stays as it is; `"window": null` is always open.
Result<engine::ChannelChange> channel_change_of(wire::JsonFields fields, std::string name) {
  engine::ChannelChange change;
  change.name = std::move(name);
  if (fields.is_null("window"))
    change.windows.emplace();
  else if (fields.has("window"))
    change.windows = read_windows(fields);
  change.approval = fields.boolean("approval");
  change.notes = notes_of(fields);
  fields.refuse_unknown({"window", "approval", "notes"});
  if (auto checked = fields.check(Errc::malformed); !checked) return checked.error();
  return change;
}

}  // namespace

Answering list_channels(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  std::function<Result<std::string>(storage::ReadView&)> job =
      [now = context.clock.wall(), living = living_since_day(context)](auto& view) -> Result<std::string> {
    const auto counted = count(view, {}, living);
    std::vector<Json> items;
    for (const auto& channel : view.fleet.channels()) items.push_back(channel_json(view, channel, counted, now));
    return to_text(list_json(std::move(items), std::nullopt));
  };
  co_return co_await answer_read(context, std::move(job));
}

Answering get_channel(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  co_return co_await show_channel(context, call.arguments.at(0), 200);
}

Answering put_channel(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto& name = call.arguments.at(0);
  if (!valid_channel(name)) co_return field_error("name", "must be 1 to 64 of a-z 0-9 _ -");
  auto fields = co_await fields_of(call);
  if (!fields) co_return fields.error();
  auto change = channel_change_of(std::move(*fields), name);
  if (!change) co_return change.error();
  std::function<void(engine::Done<engine::PutChannel>)> start = [&context, change = *change,
                                                                 caller = call.caller()](auto done) {
    context.engine.fleet().put_channel(change, caller, std::move(done));
  };
  auto put = co_await command<engine::PutChannel>(std::move(start));
  if (!put) co_return put.error();
  co_return co_await show_channel(context, name, put->created ? 201 : 200);
}

Answering delete_channel(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  std::function<void(engine::Done<void>)> start = [&context, name = call.arguments.at(0),
                                                   caller = call.caller()](auto done) {
    context.engine.fleet().remove_channel(name, caller, std::move(done));
  };
  auto removed = co_await command<void>(std::move(start));
  if (!removed) co_return removed.error();
  co_return wire::no_content_reply();
}

Answering delete_target(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto& named = call.arguments.at(1);
  std::function<void(engine::Done<void>)> start = [&context, name = call.arguments.at(0),
                                                   hardware = named == kAnyHardware ? std::string() : named,
                                                   caller = call.caller()](auto done) {
    context.engine.fleet().remove_target(name, hardware, caller, std::move(done));
  };
  auto removed = co_await command<void>(std::move(start));
  if (!removed) co_return removed.error();
  co_return wire::no_content_reply();
}

}  // namespace ota::rest
