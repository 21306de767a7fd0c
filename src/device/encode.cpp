#include "device/encode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>
#include <variant>

#include "ota/base/json_writer.hpp"
#include "ota/base/text.hpp"
#include "ota/wire/errors.hpp"

namespace ota::device {
namespace {

using std::chrono::seconds;

/// Merges neighbouring ranges evenly until there are at most `most`: a superset of the missing chunks.
std::string ranges(const ChunkRanges& missing, std::size_t most) {
  std::string list = "[";
  const std::size_t together = (missing.size() + most - 1) / most;
  for (std::size_t i = 0; i < missing.size(); i += together) {
    const auto last = std::min(i + together, missing.size()) - 1;
    fmt::format_to(std::back_inserter(list), "{}[{},{}]", i == 0 ? "" : ",", missing[i].first, missing[last].last);
  }
  return list += ']';
}

/// Precondition: the texts need no JSON escapes.
template <class List, class ToText>
std::string texts(const List& items, ToText to_text) {
  std::string list;
  for (const auto& item : items)
    fmt::format_to(std::back_inserter(list), "{}\"{}\"", list.empty() ? '[' : ',', to_text(item));
  return list.empty() ? "[]" : list += ']';
}

/// Expiry of URLs made now, rounded so that a repeated request gets an identical answer.
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

/// `base`: `http://gw:8080`; `expires` in seconds since 1970.
Urls urls_of(const Offer& offer, const std::string& base, const download::UrlSigner& signer, std::int64_t expires) {
  return {fmt::format("{}/download/{}", base, to_hex(offer.checksum)),
          signer.sign(offer.checksum, offer.grid.chunk_bytes, offer.task, expires), WallTime{seconds{expires}}};
}

std::string image_of(const Urls& urls) { return fmt::format("{}/image?{}", urls.base, urls.query); }

/// The fields of `metadata` after `type`; `every_url`: also the URLs that can be derived from `chunk_url`.
void put_offer(JsonWriter& json, const Offer& offer, const Urls& urls, const firmware::Manifest* inline_chunks,
               std::size_t most_ranges, bool every_url) {
  json.put("version", offer.version);
  json.put("hardware", offer.hardware);
  json.put("priority", to_string(offer.priority));
  json.put("attempt", offer.attempt);
  json.put("max_attempts", offer.max_attempts);
  json.put("size", offer.grid.size);
  json.put("checksum", to_checksum(offer.checksum));
  json.put("chunk_bytes", offer.grid.chunk_bytes);
  json.put("chunk_count", offer.grid.count());
  json.put_raw("missing", ranges(offer.missing, most_ranges));
  if (every_url) json.put("url", image_of(urls));
  json.put("chunk_url", fmt::format("{}/chunks/{{index}}?{}", urls.base, urls.query));
  if (every_url) json.put("manifest_url", fmt::format("{}/manifest?{}", urls.base, urls.query));
  if (inline_chunks) json.put_raw("chunks", texts(*inline_chunks, [](const Digest& digest) { return to_hex(digest); }));
  json.put_raw("transports", texts(offer.transports, [](Transport transport) { return to_string(transport); }));
  json.put("urls_expire_at", to_rfc3339(urls.expire));
  if (offer.signature) {
    JsonWriter signature;
    signature.put("algorithm", "ed25519");
    signature.put("key_id", offer.signature->key_id);
    signature.put("value", offer.signature->value);
    json.put_raw("signature", signature.take());
  }
  if (offer.downgrade) {
    JsonWriter permission;
    permission.put("algorithm", "ed25519");
    permission.put("key_id", offer.downgrade->signature.key_id);
    permission.put("device", offer.downgrade->device);
    permission.put("expires", offer.downgrade->expires);
    permission.put("value", offer.downgrade->signature.value);
    json.put_raw("downgrade", permission.take());
  }
}

void put(JsonWriter& json, const SuccessAnswer& answer) {
  json.put("task_id", answer.task.str());
  json.put("version", answer.version);
  if (answer.confirm_by) json.put("confirm_by", to_rfc3339(*answer.confirm_by));
}
void put(JsonWriter& json, const FailedAnswer& answer) {
  json.put("task_id", answer.task.str());
  json.put("reason", answer.reason);
  json.put("attempts", answer.attempts);
}
void put(JsonWriter& json, const QueuedAnswer& answer) {
  json.put("task_id", answer.task.str());
  json.put("position", answer.position);
  json.put("retry_after_s", answer.retry_after_s);
}
void put(JsonWriter& json, const UpToDateAnswer& answer) {
  constexpr std::size_t kLongest = 128;  // of a valid version; a longer text only repeats what the device sent
  answer.version&& answer.version->size() <= kLongest ? json.put("version", *answer.version) : json.put_null("version");
}
void put(JsonWriter& json, const CancelAnswer& answer) {
  json.put("task_id", answer.task.str());
  json.put("reason", to_string(answer.reason));
}
void put(JsonWriter& json, const HoldAnswer& answer) {
  json.put("task_id", answer.task.str());
  json.put("reason", to_string(answer.reason));
  answer.until ? json.put("until", to_rfc3339(*answer.until)) : json.put_null("until");
  json.put("retry_after_s", answer.retry_after_s);
}
void put(JsonWriter& json, const ErrorAnswer& answer) {
  json.put("code", wire::protocol_code(answer.error.code));
  json.put("message", answer.error.message);
  answer.task ? json.put("task_id", answer.task->str()) : json.put_null("task_id");
  if (const int wait = wire::retry_after_s(answer.error); wait > 0) json.put("retry_after_s", wait);
}

}  // namespace

/// Which optional parts the text of an offer contains.
struct Encoder::Shape {
  bool chunks = true;
  std::size_t ranges = kMaxMissingRanges;
  bool every_url = true;
};

Encoder::Encoder(const Options& options, const Clock& clock, const firmware::ManifestProvider& manifests)
    : public_url_(options.public_url),
      url_life_(options.url_life),
      inline_chunks_(options.inline_chunks),
      signer_(options.signing_keys),
      clock_(clock),
      manifests_(manifests) {}

Result<std::string> Encoder::encode(const Answer& answer, const std::string& base, std::size_t max_bytes) const {
  if (const auto* error = std::get_if<ErrorAnswer>(&answer)) return error_payload(*error, max_bytes);
  const auto* offer = offer_of(answer);
  const std::size_t most =
      offer && offer->max_message_bytes ? std::min<std::size_t>(max_bytes, *offer->max_message_bytes) : max_bytes;
  auto text = write(answer, base, {});
  if (text.size() <= most) return text;
  if (offer) text = write_short(answer, *offer, base, most);
  if (text.size() <= most) return text;
  return fail(
      Errc::bad_message,
      fmt::format("{} needs at least {} bytes, and at most {} may be sent: raise max_message_bytes of the device "
                  "or max_packet_size of the broker",
                  type_of(answer), text.size(), most));
}

std::string Encoder::write_short(const Answer& answer, const Offer& offer, const std::string& base,
                                 std::size_t max_bytes) const {
  Shape shape;
  shape.chunks = false;
  std::string text;
  for (const bool every_url : {true, false}) {
    shape.every_url = every_url;
    shape.ranges = std::clamp<std::size_t>(offer.missing.size(), 1, kMaxMissingRanges);
    text = write(answer, base, shape);
    while (text.size() > max_bytes && shape.ranges > 1) {
      shape.ranges = (shape.ranges + 1) / 2;
      text = write(answer, base, shape);
    }
    if (text.size() <= max_bytes) break;
  }
  return text;
}

std::string Encoder::write(const Answer& answer, const std::string& base, const Shape& shape) const {
  JsonWriter json;
  json.put("type", type_of(answer));
  const auto offer_fields = [&](const Offer& offer) {
    const auto urls = urls_of(offer, base_url(base), signer_, expiry(clock_.wall(), url_life_));
    const auto manifest = shape.chunks && offer.grid.count() <= inline_chunks_
                              ? manifests_.find(offer.checksum, offer.grid.chunk_bytes)
                              : std::shared_ptr<const firmware::Manifest>();
    put_offer(json, offer, urls, manifest.get(), shape.ranges, shape.every_url);
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

std::string Encoder::image_url(const Offer& offer, const std::string& base) const {
  return image_of(urls_of(offer, base_url(base), signer_, expiry(clock_.wall(), url_life_)));
}

std::string error_payload(const ErrorAnswer& answer, std::size_t max_bytes) {
  constexpr std::string_view kCut = "...";
  const auto most = answer.max_message_bytes ? std::min<std::size_t>(max_bytes, *answer.max_message_bytes) : max_bytes;
  auto shorter = answer;
  for (;;) {
    JsonWriter json;
    json.put("type", "error");
    put(json, shorter);
    auto text = json.take();
    if (text.size() <= most || shorter.error.message.empty()) return text;
    auto& message = shorter.error.message;
    if (message.ends_with(kCut)) message.resize(message.size() - kCut.size());
    const auto excess = std::min(message.size(), text.size() - most + kCut.size());
    message = std::string(utf8_prefix(message, message.size() - excess));
    if (!message.empty()) message += kCut;
  }
}

ErrorAnswer too_long(const Answer& answer, Error error) {
  const auto* offer = offer_of(answer);
  if (!offer) return {std::move(error), {}};
  return {std::move(error), offer->task, offer->max_message_bytes};
}

const Offer* offer_of(const Answer& answer) {
  const auto* retry = std::get_if<RetryAnswer>(&answer);
  return retry ? &retry->offer : std::get_if<Offer>(&answer);
}

}  // namespace ota::device
