#include "device/mqtt_transport.hpp"

#include <fmt/format.h>

#include <utility>
#include <variant>

#include "device/message_log.hpp"

namespace ota::device {
namespace {

constexpr std::string_view kChunkGet = "chunk/get";

}  // namespace

std::vector<std::string> MqttTransport::subscriptions() const {
  std::vector<std::string> filters;
  const auto add = [&](std::string_view name) {
    filters.push_back(fmt::format("{}/+/{}", context_.options.topic_root, name));
  };
  for (const auto& type : message_types()) add(type.name);
  add(kChunkGet);
  return filters;
}

void MqttTransport::on_message(std::string_view topic, std::string_view payload) {
  const auto address = parse_topic(topic);
  if (!address) return;
  log_message("received", "mqtt", address->device.str(), topic, payload.size());
  if (!address->type) return on_chunk_get(address->device, payload);
  auto decoded = address->type->decode(payload);
  if (!decoded.message) return refuse(address->device, decoded.task, std::move(decoded.message).error());
  decoded.who.protocol = Protocol::mqtt;
  const bool is_progress = std::holds_alternative<ProgressReport>(*decoded.message);
  if (auto error = context_.throttle.refuse(address->device.str(), decoded.who, is_progress))
    return drop(address->device, decoded.task, std::move(*error));
  ++context_.messages;
  context_.engine.receive(
      address->device, decoded.who, std::move(*decoded.message),
      [this, device = address->device, who = decoded.who, task = decoded.task](std::optional<Answer> reply) {
        judge(device, who, task, reply);
      });
}

void MqttTransport::on_chunk_get(const DeviceId& device, std::string_view payload) {
  auto decoded = decode_chunk_request(payload);
  if (!decoded.message) return refuse(device, decoded.task, std::move(decoded.message).error());
  const auto task = decoded.message->task;
  decoded.who.protocol = Protocol::mqtt;
  if (auto error = context_.throttle.refuse(device.str(), decoded.who)) return drop(device, task, std::move(*error));
  ++context_.messages;
  context_.engine.fetch(device, decoded.who, task,
                        [this, device, who = decoded.who, request = std::move(*decoded.message)](const auto& access) {
                          judge(device, who, request.task, send_chunks(device, request, access));
                        });
}

void MqttTransport::judge(const DeviceId& device, const Credentials& who, const std::optional<TaskId>& task,
                          const std::optional<Answer>& reply) {
  if (auto slower = context_.throttle.record_result(device.str(), who, reply))
    return drop(device, task, std::move(*slower));
  answer(device, reply);
}

std::optional<Answer> MqttTransport::send_chunks(const DeviceId& device, const ChunkRequest& request,
                                                 const Result<engine::ChunkAccess>& access) {
  if (!access) return ErrorAnswer{access.error(), request.task};
  if (const auto* answer = std::get_if<Answer>(&*access)) return *answer;
  const auto sent = context_.downloads->send_chunks(device, request, std::get<engine::ChunkGrant>(*access));
  if (!sent) return ErrorAnswer{sent.error(), request.task};
  return std::nullopt;
}

void MqttTransport::on_oversized(std::string_view topic, std::size_t size) {
  const auto address = parse_topic(topic);
  if (!address) return;
  refuse(address->device, std::nullopt,
         fail(Errc::bad_message, fmt::format("the message has {} bytes, more than {}", size, kMaxDevicePayload)));
}

void MqttTransport::on_retained(std::string_view topic) {
  const auto address = parse_topic(topic);
  if (!address) return;
  ++context_.bad_messages;
  context_.refusals.write(
      address->device.str(), {},
      fail(Errc::bad_message, fmt::format("{} was retained, so it may be outdated: send it without the retain flag, "
                                          "and clear it by an empty retained message",
                                          topic)));
}

void MqttTransport::on_dropped(std::string_view topic, std::string_view payload, const std::string& why) const {
  constexpr std::string_view kTask = "\"task_id\":\"";
  const auto rest = topic.substr(std::min(context_.options.topic_root.size() + 1, topic.size()));
  const auto device = rest.substr(0, rest.find('/'));
  const auto at = payload.find(kTask);
  const auto tail = at == std::string_view::npos ? std::string_view() : payload.substr(at + kTask.size());
  auto task = TaskId::parse(tail.substr(0, std::min(tail.find('"'), tail.size())));
  constexpr std::string_view kChunk = "/chunk/";
  if (const auto chunk = rest.find(kChunk); chunk == device.size()) {
    const auto of = rest.substr(chunk + kChunk.size());
    task = TaskId::parse(of.substr(0, of.find('/')));
  }
  context_.refusals.write_unsent(device, task, rest.substr(std::min(device.size() + 1, rest.size())), why);
}

std::optional<MqttTransport::Address> MqttTransport::parse_topic(std::string_view topic) {
  const std::string& root = context_.options.topic_root;
  if (!topic.starts_with(root) || topic.size() <= root.size() || topic[root.size()] != '/') return std::nullopt;
  const auto rest = topic.substr(root.size() + 1);
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto last = rest.substr(slash + 1);
  const auto* const type = find_message_type(last);
  if (!type && last != kChunkGet) return std::nullopt;
  const auto device = DeviceId::parse(rest.substr(0, slash));
  if (device) return Address{*device, type};
  ++context_.bad_messages;
  context_.refusals.write(rest.substr(0, std::min<std::size_t>(slash, 128)), {},
                          fail(Errc::bad_message, fmt::format("the topic's device id {}", kDeviceIdRule)));
  return std::nullopt;
}

void MqttTransport::refuse(const DeviceId& device, const std::optional<TaskId>& task, Error error) {
  ++context_.bad_messages;
  // The sender of an unreadable message isn't authenticated; answering each one would double a flood.
  Credentials who;
  who.protocol = Protocol::mqtt;
  if (auto slower = context_.throttle.refuse(device.str(), who)) return drop(device, task, std::move(*slower));
  context_.refusals.write(device.str(), task, error);
  context_.notifier.send(device.str(), ErrorAnswer{std::move(error), task, kMinMessageBytes});
}

void MqttTransport::drop(const DeviceId& device, const std::optional<TaskId>& task, Error error) {
  ++context_.dropped;
  if (!context_.throttle.may_tell(device.str())) return;
  context_.refusals.write(device.str(), task, error);
  context_.notifier.send(device.str(), ErrorAnswer{std::move(error), task, kMinMessageBytes});
}

void MqttTransport::answer(const DeviceId& device, const std::optional<Answer>& answer) {
  if (!answer) return;
  if (const auto* refused = std::get_if<ErrorAnswer>(&*answer)) {
    if (refused->error.code == Errc::too_many_new) return drop(device, refused->task, refused->error);
    context_.refusals.write(device.str(), refused->task, refused->error);
    if (refused->error.code == Errc::overloaded) ++context_.dropped;
    // Answering each message would double a flood.
    if (refused->error.code == Errc::overloaded || refused->error.code == Errc::cancelled) return;
  }
  context_.notifier.send(device.str(), *answer);
}

}  // namespace ota::device
