#include "agent/control.hpp"

#include <utility>

#include "ota/base/log.hpp"
#include "ota/base/text.hpp"
#include "ota/base/url.hpp"

namespace ota::agent {
namespace {

constexpr std::size_t kMaxPayload = 4u << 20;
constexpr std::chrono::seconds kKeepalive{30};
constexpr int kQos = 1;
constexpr std::string_view kChunk = "chunk/";

mqtt::Options mqtt_options(const Options& options, const std::string& id, const std::string& topic) {
  mqtt::Options result;
  result.url = options.broker;
  result.client_id = id;
  result.username = options.username;
  result.password = options.password;
  result.ca_file = options.ca_file;
  result.cert_file = options.cert_file;
  result.key_file = options.key_file;
  result.keepalive = kKeepalive;
  // No late answer to an earlier run is taken for one to this; what else the server said comes again on request.
  if (options.once) result.session_expiry = std::chrono::seconds(0);
  for (const auto* type :
       {"metadata", "success", "retry", "failed", "queued", "up_to_date", "cancel", "hold", "error", "chunk/+/+"}) {
    result.subscriptions.push_back(topic + type);
  }
  result.max_outbox_messages = 1000;
  result.max_payload_bytes = kMaxPayload;
  return result;
}

std::string path_of(const std::string& topic) {
  auto path = topic.starts_with('/') ? topic : "/" + topic;
  path.pop_back();
  return path;
}

}  // namespace

bool may_carry_messages(std::string_view gateway, std::string_view broker, bool has_token) {
  const auto http = parse_url(gateway);
  const auto mqtt = parse_url(broker);
  const bool secure = http && http->scheme == "https";
  if (!secure && mqtt && (mqtt->scheme == "ssl" || mqtt->scheme == "mqtts")) return false;
  return !has_token || (secure && mqtt && http->authority.host == mqtt->authority.host);
}

Control::Control(const Options& options, const std::string& id, const std::string& token, Events events, Random& random)
    : topic_(options.topic_root + "/" + id + "/"),
      broker_(options.broker),
      has_token_(!token.empty()),
      fixed_gateway_(!options.gateway.empty()),
      events_(std::move(events)),
      gateway_({options.http_ca_file, options.cert_file, options.key_file}, path_of(topic_), token,
               {[this](const std::string& payload) { events_.on_message(payload); }, [this] { events_.on_online(); }},
               random) {
  gateway_.set_gateway(options.gateway);
  mqtt::Handlers handlers;
  handlers.on_message = [this](std::string_view topic, std::string_view payload) { receive(topic, payload); };
  handlers.on_connected = [this] { events_.on_online(); };
  handlers.on_lost = [this] { events_.on_offline(); };
  client_ = mqtt::Client::create(mqtt_options(options, id, topic_), std::move(handlers), random);
}

void Control::start() {
  away_since_ = std::chrono::steady_clock::now();
  client_->start();
}

void Control::learn_gateway(const std::string& origin) {
  if (fixed_gateway_ || origin.empty()) return;
  if (may_carry_messages(origin, broker_, has_token_)) return gateway_.set_gateway(origin);
  if (std::exchange(logged_refusal_, true)) return;
  log::info("messages will not go over HTTP to " + origin + ", which an offer named: give --gateway for that");
}

// `chunk/<task>/<index>` is data, everything else a message.
void Control::receive(std::string_view topic, std::string_view payload) {
  if (!topic.starts_with(topic_)) return;
  auto rest = topic.substr(topic_.size());
  if (!rest.starts_with(kChunk)) return events_.on_message(payload);
  rest.remove_prefix(kChunk.size());
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos) return;
  if (const auto index = parse_decimal<std::uint32_t>(rest.substr(slash + 1)))
    events_.on_chunk(rest.substr(0, slash), *index, payload);
}

Time Control::look(Time now) {
  if (client_->status().connected) {
    away_since_ = Time::max();
    if (on_gateway_) move_to(false);
    return Time::max();
  }
  if (away_since_ == Time::max()) away_since_ = now;
  if (on_gateway_ || !gateway_.has_gateway()) return Time::max();
  const auto due = away_since_ + kPatience;
  if (now < due) return due;
  move_to(true);
  return Time::max();
}

void Control::move_to(bool gateway) {
  on_gateway_ = gateway;
  if (gateway) {
    log::info("the broker is unreachable: messages go over HTTP");
    return gateway_.switch_on();
  }
  log::info("the broker is reachable again: messages go over MQTT");
  for (auto& [what, payload] : gateway_.switch_off()) send(what, std::move(payload));
}

void Control::send(std::string_view what, std::string payload) {
  if (on_gateway_) return gateway_.send(std::string(what), std::move(payload));
  client_->publish(topic_ + std::string(what), std::move(payload), kQos);
}

bool Control::delivered() const { return on_gateway_ ? gateway_.idle() : client_->status().outbox == 0; }

bool Control::online() const { return on_gateway_ ? gateway_.reached() : client_->status().connected; }

void Control::ask_chunks(std::string payload) { client_->publish(topic_ + "chunk/get", std::move(payload), 0); }

void Control::stop(std::chrono::milliseconds grace) {
  if (on_gateway_) gateway_.drain(grace);
  client_->stop(on_gateway_ ? std::chrono::milliseconds(0) : grace);
}

}  // namespace ota::agent
