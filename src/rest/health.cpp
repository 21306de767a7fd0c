// GET /healthz (liveness) and /readyz (readiness): docs/rest.md, Audit, health, metrics.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "ota/base/certificate_end.hpp"
#include "ota/base/text.hpp"
#include "ota/storage/bad_rows.hpp"
#include "rest/handlers.hpp"
#include "rest/health.hpp"
#include "rest/json.hpp"

namespace ota::rest {
namespace {

constexpr std::uint64_t kLeastFreeBytes = 64u << 20;

constexpr std::size_t kNamed = 3;  ///< names in a detail; the rest is counted

struct Check {
  bool ok = false;
  std::string detail;
  const char* code = nullptr;  ///< the cause for programs, for checks with several causes
  bool warning = false;        ///< it is all right still
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
  const auto mib = *free >> 20;
  if (*free >= kLeastFreeBytes) return {true, fmt::format("{} MiB free", mib)};
  return {false,
          fmt::format("{} MiB free, fewer than {}: make room on the disk of storage.firmware_dir", mib,
                      kLeastFreeBytes >> 20),
          "disk_full"};
}

/// Of the certificate in use; nothing without TLS.
std::optional<Check> check_certificate(const Context& context) {
  const auto end = context.probes.http().certificate_end;
  if (!end) return std::nullopt;
  const WallTime time{std::chrono::seconds(*end)};
  const auto left = std::chrono::floor<std::chrono::days>(time - context.clock.wall());
  const auto text = fmt::format("the certificate ends at {}", to_rfc3339(time));
  if (left >= kCertificateEndsSoon) return Check{true, text};
  return Check{true,
               fmt::format("{}, {}: renew http.tls_cert and reload otad (otad setup --renew does both)", text,
                           left.count() < 0 ? "it has ended" : fmt::format("in {} days", left.count())),
               nullptr, true};
}

/// The first names of `all`, and how many more there are.
std::string named(const std::vector<std::string>& names, std::size_t all) {
  const auto shown = std::min(names.size(), kNamed);
  auto text = fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (all > shown) text += fmt::format(" and {} more", all - shown);
  return text;
}

/// The engine reports whether writing works; reading is tried here.
boost::asio::awaitable<Check> check_database(Context& context) {
  const auto fault = context.engine.stats().fault;
  if (!fault.empty()) co_return Check{false, fault};
  std::function<Result<int>(storage::ReadView&)> job = [](storage::ReadView& view) -> Result<int> {
    view.metadata.value("ready");
    return 0;
  };
  auto done = co_await read<int>(context.readers, std::move(job));
  if (!done) co_return Check{false, done.error().message};
  const auto bad = storage::bad_rows().count();
  if (bad == 0) co_return Check{true, "reads and writes"};
  co_return Check{
      false,
      fmt::format("reads and writes, except for rows that can't be read and are skipped: {}; the log has the "
                  "reasons; restore a backup or remove the rows",
                  named(storage::bad_rows().names(kNamed), bad)),
      "bad_rows"};
}

/// Firmware whose image can't be served.
struct Absent {
  std::vector<std::string> missing;
  std::vector<std::string> damaged;
  std::size_t all = 0;  ///< firmware in the catalogue
};

std::string sentence_of(const Absent& absent) {
  std::string text;
  if (!absent.missing.empty() && absent.missing.size() == absent.all)
    text = fmt::format(
        "image_missing: none of the images of {} firmware is in storage.firmware_dir: is its disk mounted, "
        "and is the setting right? Their tasks wait, and go on once the images are there",
        absent.all);
  else if (!absent.missing.empty())
    text = fmt::format(
        "image_missing: no image of {} in storage.firmware_dir: put it back or upload it again; tasks for "
        "it wait",
        named(absent.missing, absent.missing.size()));
  if (absent.damaged.empty()) return text;
  if (!text.empty()) text += ". ";
  return text + fmt::format(
                    "image_damaged: the image of {} is corrupted and was quarantined: check the disk, then upload it "
                    "again",
                    named(absent.damaged, absent.damaged.size()));
}

boost::asio::awaitable<Check> check_images(Context& context) {
  std::function<Result<Absent>(storage::ReadView&)> job =
      [&store = context.store](storage::ReadView& view) -> Result<Absent> {
    Absent absent;
    for (const auto& firmware : view.firmware.all()) {
      ++absent.all;
      const auto name = fmt::format("firmware {} for hardware '{}'", firmware.version, firmware.hardware);
      if (firmware.damaged) {
        absent.damaged.push_back(name);
      } else if (store.missing(firmware.checksum)) {
        absent.missing.push_back(name);
      }
    }
    return absent;
  };
  auto absent = co_await read<Absent>(context.readers, std::move(job));
  if (!absent) co_return Check{false, absent.error().message};
  if (absent->missing.empty() && absent->damaged.empty()) co_return Check{true, "all there"};
  co_return Check{false, sentence_of(*absent), absent->missing.empty() ? "image_damaged" : "image_missing"};
}

Json check_json(const Check& check) {
  Json json = {{"ok", check.ok}, {"detail", check.detail}};
  if (check.code) json["code"] = check.code;
  if (check.warning) json["warning"] = true;
  return json;
}

}  // namespace

std::optional<WallTime> last_backup(storage::ReadView& view) {
  const auto at = parse_decimal<std::int64_t>(view.metadata.value("last_backup").value_or(""));
  return at ? std::optional(WallTime{Millis{*at}}) : std::nullopt;
}

Answering get_healthz(Context&, Call&) {
  const Json json = {{"status", "ok"}, {"version", OTAD_VERSION}};
  co_return wire::json_reply(200, to_text(json));
}

boost::asio::awaitable<Json> health_json(Context& context) {
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
  if (const auto certificate = check_certificate(context)) json["checks"]["certificate"] = check_json(*certificate);
  co_return json;
}

Answering get_readyz(Context& context, Call&) {
  auto checking = health_json(context);
  const auto json = co_await std::move(checking);
  co_return wire::json_reply(json["status"] == "ready" ? 200 : 503, to_text(json));
}

}  // namespace ota::rest
