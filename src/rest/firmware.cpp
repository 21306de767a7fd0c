// GET /firmware and /firmware/orphans, GET and DELETE /firmware/{id} (docs/rest.md, Firmware).
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ota/base/text.hpp"
#include "rest/body_fields.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/list_page.hpp"
#include "rest/query.hpp"

namespace ota::rest {
namespace {

constexpr std::size_t kLongestReason = 1024;

Error no_such_firmware() {
  return fail(Errc::no_such_firmware, "there is no firmware with that id; GET /firmware lists what is there");
}

Result<std::int64_t> firmware_id_of(const Call& call) {
  if (const auto id = parse_number(call.arguments.at(0))) return *id;
  return no_such_firmware();
}

constexpr CsvColumn kFirmwareColumns[] = {
    {"id", "/id"},           {"version", "/version"},   {"hardware", "/hardware"}, {"size", "/size"},
    {"checksum", "/checksum"}, {"filename", "/filename"}, {"sha1", "/sha1"},         {"md5", "/md5"},
    {"security", "/security"}, {"damaged", "/damaged"},   {"blocked", "/blocked"},   {"notes", "/notes"},
    {"created_at", "/created_at"}};

}  // namespace

Answering list_firmware(Context& context, Call& call) {
  auto query = QueryFields::parse(call.request.query(), {"limit", "cursor"});
  if (!query) co_return query.error();
  const auto page = number_page_of(*query, "firmware");
  if (auto checked = query->check(); !checked) co_return checked.error();

  std::function<Result<ListPage>(storage::ReadView&)> job = [page](storage::ReadView& view) -> Result<ListPage> {
    return list_page(
        view.firmware.list(page.after, page.limit + 1), page.limit, "firmware",
        [](const Firmware& row) { return std::to_string(row.id); }, firmware_json);
  };
  co_return co_await read_list(context, call, kFirmwareColumns, std::move(job));
}

/// Runs on a disk thread, because it reads the folder.
Answering list_orphans(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  using Found = Result<std::vector<firmware::Orphan>>;
  std::function<void(std::function<void(Found)>)> start = [&store = context.store](auto done) {
    if (store.on_disk_thread([&store, done] { done(store.orphans()); })) return;
    done(wire::overloaded("too many requests wait for the disk; try again in a moment", 1));
  };
  auto orphans = co_await http::await_call<Found>(std::move(start));
  if (!orphans) co_return orphans.error();
  std::vector<Json> items;
  for (const auto& orphan : *orphans)
    items.push_back({{"name", orphan.name}, {"size", orphan.size}, {"since", to_rfc3339(orphan.since)}});
  co_return wire::json_reply(200, to_text(list_json(std::move(items), std::nullopt)));
}

Answering get_firmware(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = firmware_id_of(call);
  if (!id) co_return id.error();
  std::function<Result<Firmware>(storage::ReadView&)> job = [id = *id](storage::ReadView& view) -> Result<Firmware> {
    auto found = view.firmware.find(id);
    if (!found) return no_such_firmware();
    return std::move(*found);
  };
  auto firmware = co_await read<Firmware>(context.readers, std::move(job));
  if (!firmware) co_return firmware.error();
  co_return wire::json_reply(200, to_text(firmware_json(*firmware)));
}

/// The emergency brake.
Answering patch_firmware(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = firmware_id_of(call);
  if (!id) co_return id.error();
  auto fields = co_await fields_of(call);
  if (!fields) co_return fields.error();
  fields->require("blocked");
  const auto blocked = fields->boolean("blocked").value_or(false);
  auto reason = fields->text("reason", kLongestReason);
  if (reason && has_control(*reason)) fields->errors().add("reason", "must not hold control characters");
  if (reason && fields->has("blocked") && !blocked) fields->errors().add("reason", "is only for \"blocked\": true");
  fields->refuse_unknown({"blocked", "reason"});
  if (auto checked = fields->check(Errc::malformed); !checked) co_return checked.error();
  std::optional<std::string> why;
  if (blocked) why = std::move(reason).value_or("");
  std::function<void(engine::Done<Firmware>)> start = [&context, id = *id, why = std::move(why),
                                                       caller = call.caller()](auto done) {
    context.engine.fleet().block_firmware(id, why, caller, std::move(done));
  };
  auto firmware = co_await command<Firmware>(std::move(start));
  if (!firmware) co_return firmware.error();
  co_return wire::json_reply(200, to_text(firmware_json(*firmware)));
}

Answering delete_firmware(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = firmware_id_of(call);
  if (!id) co_return id.error();
  std::function<void(engine::Done<Firmware>)> start = [&context, id = *id, caller = call.caller()](auto done) {
    context.engine.registry().remove_firmware(id, caller, std::move(done));
  };
  auto removed = co_await command<Firmware>(std::move(start));
  if (!removed) co_return removed.error();
  co_return wire::no_content_reply();
}

}  // namespace ota::rest
