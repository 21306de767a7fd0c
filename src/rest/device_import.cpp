// POST /devices/import (docs/rest.md, Devices).
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ota/base/text.hpp"
#include "ota/firmware/hash.hpp"
#include "ota/wire/accept.hpp"
#include "rest/device_change.hpp"
#include "rest/handlers.hpp"
#include "rest/import_file.hpp"
#include "rest/list_page.hpp"

namespace ota::rest {
namespace {

struct Wanted {
  ImportFormat format = ImportFormat::csv;
  bool dry_run = false;
  bool tokens = false;
  bool skip_bad = false;
};

/// A line and what becomes of it: `new`, `changed`, `unchanged` or `refused`.
struct Imported {
  ImportLine line;
  const char* result = "refused";
  bool has_token = false;
  std::string token{};

  void refuse(std::string reason) {
    result = "refused";
    line.refused = std::move(reason);
  }
};
using Lines = std::vector<Imported>;

std::int64_t count(const Lines& lines, std::string_view result) {
  return std::count_if(lines.begin(), lines.end(), [&](const auto& line) { return line.result == result; });
}

Result<Wanted> wanted_of(const Call& call) {
  auto query = QueryFields::parse(call.request.query(), {"dry_run", "tokens", "skip_bad"});
  if (!query) return query.error();
  Wanted wanted;
  wanted.dry_run = query->boolean("dry_run").value_or(false);
  wanted.tokens = query->boolean("tokens").value_or(false);
  wanted.skip_bad = query->boolean("skip_bad").value_or(false);
  if (auto checked = query->check(); !checked) return checked.error();
  const auto whole = call.request.header("Content-Type");
  const auto type = trim(whole.substr(0, whole.find(';')));
  if (iequals(type, "application/x-ndjson"))
    wanted.format = ImportFormat::ndjson;
  else if (!iequals(type, "text/csv"))
    return field_error("Content-Type", "must be text/csv or application/x-ndjson", Errc::unsupported_type);
  return wanted;
}

/// What the registry says of a line.
void look_up(storage::ReadView& view, const Scope& scope, Imported& one) {
  if (!one.line.refused.empty()) return;
  try {
    const auto& channel = one.line.change.channel;
    if (channel && !view.fleet.channel(*channel)) return one.refuse(fmt::format("there is no channel {}", *channel));
    const auto there = view.devices.find(one.line.change.device);
    Device fresh;
    fresh.id = one.line.change.device;
    const auto after = changed(there.value_or(fresh), one.line.change);
    if (!after) return one.refuse(after.error().message);
    if ((there && !scope.has(*there)) || !scope.has(*after)) return one.refuse("the device is outside the key's scope");
    one.has_token = there && there->secret;
    const bool same = there && there->hardware == after->hardware && there->channel == after->channel &&
                      there->tags == after->tags && there->registered;
    one.result = !there ? "new" : same ? "unchanged" : "changed";
  } catch (const storage::BadRow& e) {
    one.refuse(e.what());
  }
}

/// Registers and changes those of [from, to) that are new or differ.
boost::asio::awaitable<void> write(Context& context, Caller caller, Lines& lines, std::size_t from,
                                   std::size_t to) {
  std::vector<engine::DeviceChange> changes;
  std::vector<std::size_t> places;
  for (auto i = from; i < to; ++i) {
    if (!lines[i].line.refused.empty() || lines[i].result == std::string_view("unchanged")) continue;
    changes.push_back(lines[i].line.change);
    places.push_back(i);
  }
  if (changes.empty()) co_return;
  auto waiting = change_all(context, std::move(changes), caller);
  const auto results = co_await std::move(waiting);
  for (std::size_t i = 0; i < results.size(); ++i)
    if (!results[i]) lines[places[i]].refuse(results[i].error().message);
}

/// Gives a token to those of [from, to) that have none.
boost::asio::awaitable<void> issue(Context& context, Caller caller, Lines& lines, std::size_t from,
                                   std::size_t to) {
  std::vector<std::size_t> places;
  for (auto i = from; i < to; ++i) {
    if (!lines[i].line.refused.empty() || lines[i].has_token) continue;
    lines[i].token = firmware::base64url(firmware::random_bytes(kTokenBytes));
    places.push_back(i);
  }
  if (places.empty()) co_return;
  std::function<void(std::size_t, engine::Done<void>)> send = [&](auto i, auto done) {
    const auto& line = lines[places[i]];
    context.engine.registry().set_device_secret(line.line.change.device, firmware::sha256(line.token), caller,
                                                std::move(done));
  };
  auto waiting = all_of<void>(places.size(), std::move(send));
  const auto results = co_await std::move(waiting);
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i]) continue;
    lines[places[i]].token.clear();
    lines[places[i]].refuse(results[i].error().message);
  }
}

Json line_json(const Imported& one) {
  Json json = {{"line", one.line.line}, {"device_id", one.line.change.device}, {"result", one.result}};
  if (!one.line.refused.empty()) json["reason"] = one.line.refused;
  if (!one.token.empty()) json["token"] = one.token;
  return json;
}

std::string csv_of(const Lines& lines) {
  std::string text = "line,device_id,result,reason,token\r\n";
  for (const auto& one : lines) {
    const std::vector<Json> fields{one.line.line, one.line.change.device, one.result, one.line.refused, one.token};
    append_csv(text, fields);
  }
  return text;
}

std::string json_of(const Lines& lines, bool applied, bool stopped) {
  Json json;
  if (stopped) {
    const auto refused = count(lines, "refused");
    json = {{"type", "/problems/malformed"},
            {"title", "The input breaks a rule"},
            {"status", 422},
            {"detail", fmt::format("{} of {} lines are refused, and nothing was changed; correct them, or leave them "
                                   "out with skip_bad=true",
                                   refused, lines.size())},
            {"code", "malformed"}};
  }
  json["applied"] = applied;
  for (const auto* result : {"new", "changed", "unchanged", "refused"}) json[result] = count(lines, result);
  auto items = Json::array();
  for (const auto& one : lines) items.push_back(line_json(one));
  json["lines"] = std::move(items);
  return to_text(json);
}

}  // namespace

Answering import_devices(Context& context, Call& call) {
  const auto wanted = wanted_of(call);
  if (!wanted) co_return wanted.error();
  auto body = co_await call.request.read_all(kMaxImport);
  if (!body) co_return body.error();

  // On a reader thread: a large file would delay the chunks of an HTTP thread.
  std::function<Result<Lines>(storage::ReadView&)> check = [text = std::move(*body), format = wanted->format,
                                                            scope = call.scope](
                                                               storage::ReadView& view) -> Result<Lines> {
    auto parsed = parse_import(text, format);
    if (!parsed) return parsed.error();
    Lines found;
    for (auto& line : *parsed) found.push_back(Imported{std::move(line)});
    for (auto& one : found) look_up(view, scope, one);
    return found;
  };
  auto lines = co_await read<Lines>(context.readers, std::move(check));
  if (!lines) co_return lines.error();

  const bool stopped = !wanted->skip_bad && count(*lines, "refused") > 0;
  const bool applied = !stopped && !wanted->dry_run;
  for (std::size_t from = 0; applied && from < lines->size(); from += kBatch) {
    const auto to = std::min(lines->size(), from + kBatch);
    auto writing = write(context, call.caller(), *lines, from, to);
    co_await std::move(writing);
    if (!wanted->tokens) continue;
    auto issuing = issue(context, call.caller(), *lines, from, to);
    co_await std::move(issuing);
  }

  const bool csv = wire::prefers_csv(call.request.header("Accept"));
  std::function<Result<std::string>(storage::ReadView&)> render =
      [lines = std::move(*lines), csv, applied, stopped](storage::ReadView&) -> Result<std::string> {
    return csv ? csv_of(lines) : json_of(lines, applied, stopped);
  };
  auto text = co_await read<std::string>(context.readers, std::move(render));
  if (!text) co_return text.error();
  auto reply = wire::json_reply(stopped ? 422 : 200, std::move(*text));
  if (csv)
    reply.content_type = "text/csv; charset=utf-8";
  else if (stopped)
    reply.content_type = "application/problem+json";
  co_return reply;
}

}  // namespace ota::rest
