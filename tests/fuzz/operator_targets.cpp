// What operators and their settings say.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "fuzz/target.hpp"
#include "ota/base/clock.hpp"
#include "ota/base/settings.hpp"
#include "ota/base/text.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/version.hpp"
#include "ota/events/webhooks.hpp"
#include "ota/firmware/hash.hpp"
#include "unit/rest/doubles.hpp"

namespace ota::fuzz {
namespace {

using http::Method;
using rest::test::Bench;
using rest::test::HandRequest;

Bench& bench() {
  static Bench bench;
  bench.engine.refused.clear();
  bench.engine.used.clear();
  bench.engine.fleet_control.calls.clear();
  bench.engine.fleet_control.moves.clear();
  bench.engine.webhook_control.came.clear();
  return bench;
}

void check(const rest::test::Seen& seen) {
  require(seen.reply.status < 500 || seen.reply.status == 503, "nothing that is sent is a fault of ours");
  if (seen.reply.status < 400) return;
  require(seen.reply.content_type == "application/problem+json", "a refusal is a problem");
  require(seen.json["code"].is_string() && seen.json["status"] == seen.reply.status, "with code and status");
}

void call(Method method, const std::string& target, std::string_view body, const char* type = nullptr) {
  HandRequest request(method, target, std::string(body));
  if (type != nullptr) request.headers["Content-Type"] = type;
  request.length = body.size();
  check(bench().handle(request));
}

struct Place {
  Method method;
  const char* path;
  const char* type = nullptr;  ///< of the body
};

/// A file that is only in memory.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("otad-fuzz", MFD_CLOEXEC)) {}
  std::string hold(std::string_view bytes) {
    require(::ftruncate(descriptor_, 0) == 0, "the file can be emptied");
    require(::pwrite(descriptor_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()), "and written");
    return "/proc/self/fd/" + std::to_string(descriptor_);
  }

 private:
  int descriptor_;
};

}  // namespace

void operator_body(std::string_view bytes) {
  static constexpr Place kPlaces[] = {{Method::post, "/firmware/upgrade"},
                                      {Method::patch, "/tasks/OTA_20261122_000001"},
                                      {Method::put, "/devices/gw-1"},
                                      {Method::patch, "/devices/gw-1"},
                                      {Method::post, "/devices/import", "text/csv"},
                                      {Method::post, "/devices/import", "application/x-ndjson"},
                                      {Method::post, "/devices/tags"},
                                      {Method::post, "/devices/move"},
                                      {Method::put, "/channels/stable"},
                                      {Method::post, "/rollouts"},
                                      {Method::patch, "/rollouts/RO_20261122_000001"},
                                      {Method::post, "/rollouts/RO_20261122_000001/retry"},
                                      {Method::post, "/rollouts/RO_20261122_000001/rollback"},
                                      {Method::patch, "/firmware/1"},
                                      {Method::post, "/keys"},
                                      {Method::patch, "/keys/anna"},
                                      {Method::post, "/webhooks/1/replay"}};
  const auto& place = kPlaces[first_byte(bytes) % std::size(kPlaces)];
  call(place.method, place.path, bytes, place.type);
}

void operator_query(std::string_view bytes) {
  // Those that reach the database or the disk only where all is right; a right upload has its one byte.
  static constexpr Place kPlaces[] = {{Method::post, "/firmware"}, {Method::get, "/tasks"},
                                      {Method::get, "/devices"},   {Method::get, "/audit"},
                                      {Method::get, "/firmware"},  {Method::post, "/devices/gw-1/token"},
                                      {Method::get, "/rollouts"},  {Method::get, "/rollouts/RO_20261122_000001/devices"},
                                      {Method::get, "/channels"},  {Method::get, "/rollouts/RO_20261122_000001/history"},
                                      {Method::get, "/fleet"},     {Method::get, "/rollouts/RO_20261122_000001/report"},
                                      {Method::get, "/keys"},      {Method::get, "/tasks/OTA_20261122_000001/log"}};
  const auto& place = kPlaces[first_byte(bytes) % std::size(kPlaces)];
  call(place.method, std::string(place.path) + "?" + std::string(bytes), place.method == Method::post ? "x" : "");
}

void events(std::string_view bytes) {
  const auto which = first_byte(bytes) % 5;
  if (which == 0) return call(Method::get, "/events?" + std::string(bytes), "");
  if (which == 1) {
    const auto place = line(bytes);
    HandRequest request(Method::get, "/events?" + std::string(bytes));
    request.headers = {{"Accept", "text/event-stream"}, {"Last-Event-ID", std::string(place)}};
    const auto seen = bench().handle(request);
    check(seen);
    require((seen.reply.status == 200) == (seen.reply.stream != nullptr), "a stream is what isn't refused");
    return;
  }
  if (which == 2) return call(Method::post, "/webhooks", bytes);
  if (which == 3) return call(Method::patch, "/webhooks/1", bytes);
  const std::string url(bytes);
  const bool strict = !ota::events::refuse_webhook_url(url, {});
  require(!strict || !ota::events::refuse_webhook_url(url, {true, true}), "what is allowed least is allowed most");
  if (strict) require(iequals(std::string_view(url).substr(0, 8), "https://"), "no other scheme");
}

void settings(std::string_view bytes) {
  static MemoryFile file, again;
  const auto end = bytes.find('\0');
  Environment environment;
  if (end != std::string_view::npos) {
    for (auto rest = bytes.substr(end + 1); !rest.empty();) environment.emplace_back(line(rest));
  }
  const auto loaded = load_settings(file.hold(bytes.substr(0, end)), environment);
  if (!loaded) {
    require(!loaded.error().fields.empty() && !loaded.error().message.empty(), "a fault is named");
    return;
  }
  const auto printed = to_toml(*loaded);
  const auto reread = load_settings(again.hold(printed), {});
  require(reread.has_value(), "what is printed can be read");
  require(to_toml(*reread) == printed, "and says the same");
}

void values(std::string_view bytes) {
  const auto first = line(bytes);
  const auto second = bytes;
  const auto order = compare_versions(first, second);
  const auto back = compare_versions(second, first);
  require((order < 0) == (back > 0) && (order == 0) == (back == 0), "versions have one order");
  require(compare_versions(first, first) == 0, "a version is as new as itself");
  if (const auto id = DeviceId::parse(first)) require(id->str() == first, "a device's id is its text");
  if (const auto id = TaskId::parse(first)) require(id->str() == first, "a task's id is its text");
  if (const auto digest = parse_checksum(first)) {
    std::string lower(first);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    require(to_checksum(*digest) == lower, "a checksum is its text, in either case");
  }
  if (const auto time = parse_rfc3339(first)) {
    const auto printed = to_rfc3339(*time);
    const auto reread = parse_rfc3339(printed);
    require(reread && to_rfc3339(*reread) == printed, "a time can be read again");
  }
  if (const auto raw = firmware::parse_base64(first))
    require(firmware::base64(*raw) == first, "base64 has one spelling");
}

}  // namespace ota::fuzz
