#include "device/latest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <variant>

#include "device/credentials.hpp"
#include "ota/base/json_writer.hpp"
#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "ota/http/await.hpp"
#include "ota/wire/bearer.hpp"
#include "ota/wire/errors.hpp"
#include "ota/wire/reply.hpp"

namespace ota::device {
namespace asio = boost::asio;

namespace {

constexpr std::string_view kLatest = "/firmware/latest";
constexpr std::string_view kLatestManifest = "/firmware/latest/manifest.json";
constexpr std::size_t kLongestQuery = 512;  // it stands in the manifest again
constexpr std::size_t kLongestCurrent = 128;
constexpr std::size_t kLongestChip = 32;

struct Question {
  engine::LatestQuery query;  ///< a manifest is what it looks at
  std::string chip = "ESP32";
};

bool is_chip(std::string_view text) {
  return !text.empty() && text.size() <= kLongestChip && std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
  });
}

Error bad_parameter(std::string_view name, std::string_view rule) {
  return fail(Errc::bad_message, fmt::format("{} {}", name, rule));
}

/// Parameters that mean nothing here are passed over: clients send what they have.
Result<void> take(Question& question, const std::string& name, const std::string& value) {
  if (name == "id") {
    question.query.device = DeviceId::parse(value);
    if (!question.query.device) return bad_parameter(name, kDeviceIdRule);
  } else if (name == "hardware" && !value.empty()) {
    if (!valid_hardware(value)) return bad_parameter(name, kHardwareRule);
    question.query.hardware = value;
  } else if (name == "current" && !value.empty()) {
    if (value.size() > kLongestCurrent || has_control(value) || !is_utf8(value))
      return bad_parameter(name, "must be at most 128 bytes of UTF-8 without control characters");
    question.query.current = value;
  } else if (name == "chip") {
    if (!is_chip(value)) return bad_parameter(name, "must be 1 to 32 letters, digits or -");
    question.chip = value;
  }
  return {};
}

Result<Question> question_of(const http::Request& request) {
  Question question;
  question.query.looks = request.path() == kLatestManifest ||
                         request.header("Accept").find("application/json") != std::string_view::npos;
  const auto items = parse_query(request.query());
  if (!items || request.query().size() > kLongestQuery)
    return fail(Errc::bad_message, fmt::format("the query is malformed or longer than {} bytes", kLongestQuery));
  bool says_current = false;
  for (const auto& [name, value] : *items) {
    says_current |= name == "current";
    if (auto taken = take(question, name, value); !taken) return taken.error();
  }
  if (!says_current)
    return bad_parameter("current", "is missing: the version that the device runs, or empty where it doesn't know it");
  if (!question.query.device) question.query.device = DeviceId::parse(request.client_name());
  return question;
}

Credentials credentials_of(const http::Request& request, const std::optional<DeviceId>& device) {
  auto who = device ? http_credentials(request, *device, {})
                    : token_credentials(wire::bearer_token(request.header("Authorization")));
  who.protocol = Protocol::latest;
  who.client = fit_client(request.header("User-Agent"));
  return who;
}

/// As whom AuthThrottle counts it: by its token where it names no device.
std::string name_of(const Question& question, const Credentials& who) {
  if (question.query.device) return question.query.device->str();
  return who.token_digest ? to_hex(*who.token_digest).substr(0, 16) : std::string();
}

/// What ESPHome's "update" platform reads, which requires all of these fields: `version` differs from the client's own
/// where there is an update.
std::string manifest_json(const Question& question, const Offer* offer, const std::string& url) {
  const auto hardware = offer && !offer->hardware.empty() ? offer->hardware : question.query.hardware.value_or("");
  JsonWriter ota;
  ota.put("path", url);
  ota.put("md5", offer && offer->md5 ? to_hex(*offer->md5) : "");
  JsonWriter build;
  build.put("chipFamily", question.chip);
  build.put_raw("ota", ota.take());
  JsonWriter json;
  json.put("name", hardware.empty() ? std::string("firmware") : hardware);
  json.put("version", offer ? offer->version : question.query.current.value_or(""));
  json.put_raw("builds", fmt::format("[{}]", build.take()));
  return json.take();
}

http::Reply empty_reply(unsigned status) {
  http::Reply reply;
  reply.status = status;
  reply.headers.push_back({"Cache-Control", "no-store"});
  return reply;
}

}  // namespace

bool Latest::owns(std::string_view path) { return path == kLatest || path == kLatestManifest; }

asio::awaitable<http::Reply> Latest::handle(http::Request& request) {
  if (request.method() != http::Method::get) co_return wire::method_not_allowed_reply("GET");
  const auto question = question_of(request);
  if (!question) {
    ++context_.bad_messages;
    co_return refused(request, {}, question.error());
  }
  const auto who = credentials_of(request, question->query.device);
  const auto name = name_of(*question, who);
  if (const auto error = context_.throttle.refuse(name, who)) {
    ++context_.dropped;
    co_return refused(request, name, *error);
  }
  ++context_.messages;
  std::function<void(engine::Reply)> call = [this, &question, &who](engine::Reply reply) {
    context_.engine.latest(question->query, who, std::move(reply));
  };
  auto calling = http::await_call<std::optional<Answer>>(std::move(call));
  const auto answer = co_await std::move(calling);
  if (const auto slower = context_.throttle.record_result(name, who, answer)) {
    ++context_.dropped;
    co_return refused(request, name, *slower);
  }
  const auto* error = answer ? std::get_if<ErrorAnswer>(&*answer) : nullptr;
  if (error) co_return refused(request, name, error->error);
  const auto* offer = answer ? std::get_if<Offer>(&*answer) : nullptr;
  const auto base = context_.base_url(request);
  if (question->query.looks) {
    const bool complete = offer && offer->md5;
    const auto url = fmt::format("{}{}?{}", context_.notifier.base_url(base), kLatest, request.query());
    co_return wire::json_reply(200, manifest_json(*question, complete ? offer : nullptr, url));
  }
  if (offer) {
    auto reply = empty_reply(302);
    reply.headers.push_back({"Location", context_.notifier.image_url(*offer, base)});
    co_return reply;
  }
  const auto* queued = answer ? std::get_if<QueuedAnswer>(&*answer) : nullptr;
  if (!queued) co_return empty_reply(304);
  co_return wire::problem_reply(
      wire::overloaded("there is an update, and it is not this device's turn", queued->retry_after_s));
}

http::Reply Latest::refused(const http::Request& request, std::string_view device, const Error& error) {
  context_.refusals.write(device, {}, error, {request.remote(), request.path()});
  return wire::problem_reply(error);
}

}  // namespace ota::device
