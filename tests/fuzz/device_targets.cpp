// What devices send: payloads, topics, paths.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "device/decode.hpp"
#include "download/path.hpp"
#include "fuzz/target.hpp"
#include "ota/base/text.hpp"
#include "ota/firmware/hash.hpp"
#include "ota/wire/errors.hpp"
#include "unit/device/doubles.hpp"

namespace ota::fuzz {
namespace {

using device::test::DeviceWorld;
using device::test::TestRequest;

void check_ranges(const ChunkRanges& ranges) {
  for (const auto& range : ranges)
    require(range.first <= range.last && range.last < kMaxChunks, "chunk ranges are in order and within a task");
}

void chunk_request(std::string_view bytes) {
  const auto decoded = device::decode_chunk_request(bytes);
  if (decoded.message) check_ranges(decoded.message->chunks);
}

/// One world for all inputs, as fresh as a new one.
DeviceWorld& world() {
  static DeviceWorld world;
  world.clock.steady_time += Millis{60'000};  // no rate is ever used up
  world.engine.requests.clear();
  world.engine.latest_queries.clear();
  world.engine.reports.clear();
  world.engine.verifies.clear();
  world.engine.asked.clear();
  world.engine.fetched.clear();
  world.engine.claims.clear();
  world.published.clear();
  return world;
}

void check_error(const http::Reply& reply) {
  require(reply.status < 500 || reply.status == 503, "nothing that is sent is a fault of ours");
  if (reply.status < 400) return;
  const auto body = nlohmann::json::parse(reply.body, nullptr, false);
  require(body.is_object() && body["code"].is_string(), "a refusal has a code");
}

const TaskId kTask{20261122, 42};
constexpr std::uint32_t kChunk = 1000;

}  // namespace

void device_message(std::string_view bytes) {
  const auto types = device::message_types();
  const auto which = first_byte(bytes) % (types.size() + 1);
  if (which == types.size()) return chunk_request(bytes);
  const auto decoded = types[which].decode(bytes);
  if (!decoded.message) {
    const auto code = decoded.message.error().code;
    require(code == Errc::bad_message || code == Errc::bad_chunk_range, "a refused payload has its code");
    require(!decoded.message.error().message.empty(), "and a reason");
    return;
  }
  if (const auto* report = std::get_if<ProgressReport>(&*decoded.message)) {
    check_ranges(report->chunks);
    require(!report->percent || (*report->percent >= 0 && *report->percent <= 100), "percent is one");
    require(TaskId::parse(report->task.str()) == report->task, "the task's id has one spelling");
    require(report->reason.size() <= 1024 && is_utf8(report->reason), "a reason is cut to whole characters");
    require(report->until.has_value() == (report->state == DeviceState::postponed), "postponed has its end");
    require(report->link.rtt_ms.value_or(0) >= 0 && report->link.loss.value_or(0) <= 1, "odd numbers are dropped");
  } else if (const auto* request = std::get_if<DeviceRequest>(&*decoded.message)) {
    const auto current = request->current_version.value_or("-");
    require(!current.empty() && current.size() <= 128 && is_utf8(current), "what runs is a short text");
    require(request->hardware.value_or("-") != "", "an empty field is none");
    require(fit_timezone(request->timezone.value_or("UTC")), "a time zone has the form of its name");
    require(valid_channel(request->channel.value_or("-")), "a channel has the form of its name");
  } else if (const auto* verify = std::get_if<VerifyReport>(&*decoded.message)) {
    if (verify->bad_chunks) check_ranges(*verify->bad_chunks);
  }
}

void device_topic(std::string_view bytes) {
  auto& w = world();
  const auto topic = line(bytes);
  const auto before = w.api->counters();
  w.api->on_message(topic, bytes);
  const auto after = w.api->counters();
  require(after.messages - before.messages == w.engine.received() + w.engine.fetched.size(),
          "what was understood went to the engine");
  for (const auto& sent : w.published) {
    require(sent.topic.starts_with("/ota/") && sent.topic.ends_with("/error"), "only refusals are answered here");
    const auto device = sent.topic.substr(5, sent.topic.size() - 11);
    require(DeviceId::parse(device).has_value(), "and only to devices' own topics");
    require(nlohmann::json::accept(sent.payload), "in JSON");
  }
}

void device_http(std::string_view bytes) {
  auto& w = world();
  const std::string path(line(bytes)), query(line(bytes));
  const bool next = path.ends_with("next");
  if (next && query != "wait=0") return;  // it would wait
  TestRequest request(next ? http::Method::get : http::Method::post, "/ota/" + path, query, std::string(bytes));
  check_error(w.handle(request));
}

void device_latest(std::string_view bytes) {
  auto& w = world();
  const std::string query(line(bytes));
  for (const auto* path : {"/firmware/latest", "/firmware/latest/manifest.json"}) {
    TestRequest request(http::Method::get, path, query);
    request.headers["User-Agent"] = std::string(bytes);
    const auto reply = w.handle(request);
    check_error(reply);
    require(reply.status != 200 || nlohmann::json::accept(reply.body), "a manifest is JSON");
  }
  for (const auto& asked : w.engine.latest_queries) {
    const auto current = asked.current.value_or("-");
    require(!current.empty() && current.size() <= 128 && is_utf8(current), "what runs is a short text");
    require(valid_hardware(asked.hardware.value_or("-")), "hardware has the form of its name");
  }
}

void download(std::string_view bytes) {
  auto& w = world();
  static const Digest digest = firmware::sha256("image");
  if (w.store.images.empty()) {
    w.store.images[digest] = std::make_shared<device::test::TestImage>(digest, 3500);
    auto manifest = std::make_shared<firmware::Manifest>(4);
    w.store.ready[{digest, kChunk}] = manifest;
    engine::Transfer transfer;
    transfer.task = kTask;
    transfer.device = "gw-17";
    transfer.image = digest;
    transfer.chunk_bytes = kChunk;
    transfer.secret = firmware::sha256("secret");
    transfer.have = ChunkBitmap(4);
    w.engine.transfers().open(std::move(transfer));
  }
  const std::string path(line(bytes)), query(line(bytes));
  const auto place = "/download/" + path;
  if (const auto parsed = download::parse_download_path(place))
    require(to_hex(parsed->digest) == parsed->hex, "a place has one spelling");
  for (const bool own : {false, true}) {
    TestRequest request(http::Method::get, place, query);
    request.headers["Accept"] = std::string(bytes);
    if (own) request.headers["Authorization"] = "Bearer secret";
    const auto reply = w.handle(request);
    check_error(reply);
    require(own || reply.status != 200, "without the key nothing is signed");
    require(reply.status != 200 || path.starts_with(to_hex(digest)), "a token opens its own image");
  }
}

}  // namespace ota::fuzz
