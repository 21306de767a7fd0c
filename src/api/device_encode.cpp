#include "api/device_encode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "api/errors.hpp"

namespace ota::api {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::seconds;

std::string text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json start(const Answer& answer) { return Json{{"type", type_of(answer)}}; }

/// Neighbours put together, evenly, until they are few enough: a superset of what is missing.
Json ranges(const ChunkRanges& missing) {
  Json list = Json::array();
  const std::size_t together = (missing.size() + kMaxMissingRanges - 1) / kMaxMissingRanges;
  for (std::size_t i = 0; i < missing.size(); i += together) {
    const auto last = std::min(i + together, missing.size()) - 1;
    list.push_back({missing[i].first, missing[last].last});
  }
  return list;
}

Json transports(const std::vector<Transport>& order) {
  Json list = Json::array();
  for (const auto transport : order) list.push_back(to_string(transport));
  return list;
}

/// When URLs made now expire: on a round moment, so that repeating a request repeats the answer word by word.
std::int64_t expiry(WallTime now, seconds life) {
  const auto step = std::clamp(life / 60, seconds{1}, seconds{60}).count();
  const auto end = std::chrono::ceil<seconds>(now.time_since_epoch() + life).count();
  return (end + step - 1) / step * step;
}

struct Urls {
  std::string base;   ///< `http://gw:8080/download/<hex>`
  std::string query;  ///< signed
  WallTime expire;
};

/// protocol.md's metadata, behind `type`.
void put_offer(Json& json, const Offer& offer, const Urls& urls, const firmware::Manifest* inline_chunks) {
  json["version"] = offer.version;
  json["hardware"] = offer.hardware;
  json["priority"] = to_string(offer.priority);
  json["attempt"] = offer.attempt;
  json["max_attempts"] = offer.max_attempts;
  json["size"] = offer.grid.size;
  json["checksum"] = to_checksum(offer.checksum);
  json["chunk_bytes"] = offer.grid.chunk_bytes;
  json["chunk_count"] = offer.grid.count();
  json["missing"] = ranges(offer.missing);
  json["url"] = fmt::format("{}/image?{}", urls.base, urls.query);
  json["chunk_url"] = fmt::format("{}/chunks/{{index}}?{}", urls.base, urls.query);
  json["manifest_url"] = fmt::format("{}/manifest?{}", urls.base, urls.query);
  if (inline_chunks) {
    auto& chunks = json["chunks"] = Json::array();
    for (const auto& digest : *inline_chunks) chunks.push_back(to_hex(digest));
  }
  json["transports"] = transports(offer.transports);
  json["urls_expire_at"] = to_rfc3339(urls.expire);
  if (offer.signature)
    json["signature"] = {
        {"algorithm", "ed25519"}, {"key_id", offer.signature->key_id}, {"value", offer.signature->value}};
}

void put(Json& json, const SuccessAnswer& answer) {
  json["task_id"] = answer.task.str();
  json["version"] = answer.version;
  if (answer.confirm_by) json["confirm_by"] = to_rfc3339(*answer.confirm_by);
}
void put(Json& json, const FailedAnswer& answer) {
  json["task_id"] = answer.task.str();
  json["reason"] = answer.reason;
  json["attempts"] = answer.attempts;
}
void put(Json& json, const QueuedAnswer& answer) {
  json["task_id"] = answer.task.str();
  json["position"] = answer.position;
  json["retry_after_s"] = answer.retry_after_s;
}
void put(Json& json, const UpToDateAnswer& answer) {
  json["version"] = answer.version ? Json(*answer.version) : Json(nullptr);
}
void put(Json& json, const CancelAnswer& answer) {
  json["task_id"] = answer.task.str();
  json["reason"] = to_string(answer.reason);
}
void put(Json& json, const ErrorAnswer& answer) {
  json["code"] = protocol_code(answer.error.code);
  json["message"] = answer.error.message;
  json["task_id"] = answer.task ? Json(answer.task->str()) : Json(nullptr);
  if (const int wait = retry_after_s(answer.error); wait > 0) json["retry_after_s"] = wait;
}

}  // namespace

DeviceEncoder::DeviceEncoder(const DeviceOptions& options, const Clock& clock, const firmware::Grids& grids)
    : public_url_(options.public_url),
      url_life_(options.url_life),
      inline_chunks_(options.inline_chunks),
      signer_(options.signing_keys),
      clock_(clock),
      grids_(grids) {}

std::string DeviceEncoder::payload(const Answer& answer) const {
  Json json = start(answer);
  const auto offer_fields = [&](const Offer& offer) {
    const auto expires = expiry(clock_.wall(), url_life_);
    const Urls urls{fmt::format("{}/download/{}", public_url_, to_hex(offer.checksum)),
                    signer_.sign(offer.checksum, offer.grid.chunk_bytes, offer.task, expires),
                    WallTime{seconds{expires}}};
    const auto manifest = offer.grid.count() <= inline_chunks_ ? grids_.find(offer.checksum, offer.grid.chunk_bytes)
                                                               : std::shared_ptr<const firmware::Manifest>();
    put_offer(json, offer, urls, manifest.get());
  };
  if (const auto* offer = std::get_if<Offer>(&answer)) {
    json["task_id"] = offer->task.str();
    offer_fields(*offer);
  } else if (const auto* retry = std::get_if<RetryAnswer>(&answer)) {
    json["task_id"] = retry->offer.task.str();
    json["reason"] = retry->reason;
    json["retry_after_s"] = retry->retry_after_s;
    offer_fields(retry->offer);
  } else {
    std::visit(
        [&](const auto& other) {
          if constexpr (requires { put(json, other); }) put(json, other);
        },
        answer);
  }
  return text(json);
}

std::string error_payload(const ErrorAnswer& answer) {
  Json json = {{"type", "error"}};
  put(json, answer);
  return text(json);
}

}  // namespace ota::api
