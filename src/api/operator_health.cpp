// GET /healthz and /readyz: is it alive, can it do its work (api.md, REST).
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/operator_json.hpp"
#include "api/operator_routes.hpp"

namespace ota::api {
namespace {

constexpr std::uint64_t kLeastFreeBytes = 64u << 20;

struct Check {
  bool ok = false;
  std::string detail;
};

Check check_broker(const Context& context) {
  if (!context.probes.broker) return {true, "not used"};
  auto status = context.probes.broker();
  if (status.connected) return {true, "connected"};
  return {false, status.detail.empty() ? "not connected yet" : std::move(status.detail)};
}

Check check_disk(const Context& context) {
  const auto free = context.store.free_bytes();
  if (!free) return {false, free.error().message};
  return {*free >= kLeastFreeBytes, fmt::format("{} MiB free", *free >> 20)};
}

/// Writing is the engine's, which knows; reading is tried.
boost::asio::awaitable<Check> check_database(Context& context) {
  const auto fault = context.engine.stats().fault;
  if (!fault.empty()) co_return Check{false, fault};
  std::function<Result<int>(storage::ReadView&)> job = [](storage::ReadView& view) -> Result<int> {
    view.keys.value("ready");
    return 0;
  };
  auto done = co_await read<int>(context.readers, std::move(job));
  if (!done) co_return Check{false, done.error().message};
  co_return Check{true, "reads and writes"};
}

/// Which firmware waits for a new upload, because its image rotted.
boost::asio::awaitable<Check> check_images(Context& context) {
  const auto damaged = context.engine.stats().damaged;
  if (damaged == 0) co_return Check{true, "none found damaged"};
  std::function<Result<std::string>(storage::ReadView&)> job = [](storage::ReadView& view) -> Result<std::string> {
    for (const auto& firmware : view.firmware.all())
      if (firmware.damaged) return fmt::format("firmware {} for hardware '{}'", firmware.version, firmware.hardware);
    return std::string("firmware");
  };
  auto named = co_await read<std::string>(context.readers, std::move(job));
  auto which = named ? *named : "firmware";
  if (damaged > 1) which += fmt::format(" and {} more", damaged - 1);
  co_return Check{false, which + " found damaged and set aside: check the disk, then upload it again"};
}

Json check_json(const Check& check) { return {{"ok", check.ok}, {"detail", check.detail}}; }

}  // namespace

Answering get_healthz(Context&, Call&) {
  const Json json = {{"status", "ok"}, {"version", OTAD_VERSION}};
  co_return json_reply(200, to_text(json));
}

Answering get_readyz(Context& context, Call&) {
  const auto database = co_await check_database(context);
  const auto broker = check_broker(context);
  const auto disk = check_disk(context);
  const auto images = co_await check_images(context);
  const bool ready = broker.ok && database.ok && disk.ok && images.ok;
  Json json = {{"status", ready ? "ready" : "not_ready"}};
  json["checks"] = {{"broker", check_json(broker)},
                    {"database", check_json(database)},
                    {"disk", check_json(disk)},
                    {"images", check_json(images)}};
  co_return json_reply(ready ? 200 : 503, to_text(json));
}

}  // namespace ota::api
