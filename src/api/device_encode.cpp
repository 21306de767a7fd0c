#include "api/device_encode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>
#include <variant>

#include "api/errors.hpp"
#include "api/json_text.hpp"

namespace ota::api {
namespace {

using std::chrono::seconds;

/// Neighbours put together, evenly, until they are few enough: a superset of what is missing.
std::string ranges(const ChunkRanges& missing) {
  std::string list = "[";
  const std::size_t together = (missing.size() + kMaxMissingRanges - 1) / kMaxMissingRanges;
  for (std::size_t i = 0; i < missing.size(); i += together) {
    const auto last = std::min(i + together, missing.size()) - 1;
    fmt::format_to(std::back_inserter(list), "{}[{},{}]", i == 0 ? "" : ",", missing[i].first, missing[last].last);
  }
  return list += ']';
}

/// Of texts that need no escapes.
template <class List, class ToText>
std::string texts(const List& items, ToText to_text) {
  std::string list;
  for (const auto& item : items)
    fmt::format_to(std::back_inserter(list), "{}\"{}\"", list.empty() ? '[' : ',', to_text(item));
  return list.empty() ? "[]" : list += ']';
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
void put_offer(JsonText& json, const Offer& offer, const Urls& urls, const firmware::Manifest* inline_chunks) {
  json.put("version", offer.version);
  json.put("hardware", offer.hardware);
  json.put("priority", to_string(offer.priority));
  json.put("attempt", offer.attempt);
  json.put("max_attempts", offer.max_attempts);
  json.put("size", offer.grid.size);
  json.put("checksum", to_checksum(offer.checksum));
  json.put("chunk_bytes", offer.grid.chunk_bytes);
  json.put("chunk_count", offer.grid.count());
  json.put_raw("missing", ranges(offer.missing));
  json.put("url", fmt::format("{}/image?{}", urls.base, urls.query));
  json.put("chunk_url", fmt::format("{}/chunks/{{index}}?{}", urls.base, urls.query));
  json.put("manifest_url", fmt::format("{}/manifest?{}", urls.base, urls.query));
  if (inline_chunks) json.put_raw("chunks", texts(*inline_chunks, [](const Digest& digest) { return to_hex(digest); }));
  json.put_raw("transports", texts(offer.transports, [](Transport transport) { return to_string(transport); }));
  json.put("urls_expire_at", to_rfc3339(urls.expire));
  if (offer.signature) {
    JsonText signature;
    signature.put("algorithm", "ed25519");
    signature.put("key_id", offer.signature->key_id);
    signature.put("value", offer.signature->value);
    json.put_raw("signature", signature.take());
  }
}

void put(JsonText& json, const SuccessAnswer& answer) {
  json.put("task_id", answer.task.str());
  json.put("version", answer.version);
  if (answer.confirm_by) json.put("confirm_by", to_rfc3339(*answer.confirm_by));
}
void put(JsonText& json, const FailedAnswer& answer) {
  json.put("task_id", answer.task.str());
  json.put("reason", answer.reason);
  json.put("attempts", answer.attempts);
}
void put(JsonText& json, const QueuedAnswer& answer) {
  json.put("task_id", answer.task.str());
  json.put("position", answer.position);
  json.put("retry_after_s", answer.retry_after_s);
}
void put(JsonText& json, const UpToDateAnswer& answer) {
  answer.version ? json.put("version", *answer.version) : json.put_null("version");
}
void put(JsonText& json, const CancelAnswer& answer) {
  json.put("task_id", answer.task.str());
  json.put("reason", to_string(answer.reason));
}
void put(JsonText& json, const ErrorAnswer& answer) {
  json.put("code", protocol_code(answer.error.code));
  json.put("message", answer.error.message);
  answer.task ? json.put("task_id", answer.task->str()) : json.put_null("task_id");
  if (const int wait = retry_after_s(answer.error); wait > 0) json.put("retry_after_s", wait);
}

}  // namespace

DeviceEncoder::DeviceEncoder(const DeviceOptions& options, const Clock& clock, const firmware::Grids& grids)
    : public_url_(options.public_url),
      url_life_(options.url_life),
      inline_chunks_(options.inline_chunks),
      signer_(options.signing_keys),
      clock_(clock),
      grids_(grids) {}

std::string DeviceEncoder::payload(const Answer& answer, const std::string& base) const {
  JsonText json;
  json.put("type", type_of(answer));
  const auto offer_fields = [&](const Offer& offer) {
    const auto expires = expiry(clock_.wall(), url_life_);
    const Urls urls{fmt::format("{}/download/{}", base.empty() ? public_url_ : base, to_hex(offer.checksum)),
                    signer_.sign(offer.checksum, offer.grid.chunk_bytes, offer.task, expires),
                    WallTime{seconds{expires}}};
    const auto manifest = offer.grid.count() <= inline_chunks_ ? grids_.find(offer.checksum, offer.grid.chunk_bytes)
                                                               : std::shared_ptr<const firmware::Manifest>();
    put_offer(json, offer, urls, manifest.get());
  };
  if (const auto* offer = std::get_if<Offer>(&answer)) {
    json.put("task_id", offer->task.str());
    offer_fields(*offer);
  } else if (const auto* retry = std::get_if<RetryAnswer>(&answer)) {
    json.put("task_id", retry->offer.task.str());
    json.put("reason", retry->reason);
    json.put("retry_after_s", retry->retry_after_s);
    offer_fields(retry->offer);
  } else {
    std::visit(
        [&](const auto& other) {
          if constexpr (requires { put(json, other); }) put(json, other);
        },
        answer);
  }
  return json.take();
}

std::string error_payload(const ErrorAnswer& answer) {
  JsonText json;
  json.put("type", "error");
  put(json, answer);
  return json.take();
}

}  // namespace ota::api
