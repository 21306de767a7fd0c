#include "ota/api/device_api.hpp"

#include <utility>

#include "api/chunk_sender.hpp"
#include "api/device_context.hpp"
#include "api/device_http.hpp"
#include "api/device_mqtt.hpp"
#include "api/download.hpp"
#include "api/errors.hpp"
#include "api/request_guard.hpp"

namespace ota::api {
namespace {

class DeviceApiParts final : public DeviceApi {
 public:
  DeviceApiParts(DeviceOptions options, const Clock& clock, engine::Engine& engine, firmware::Store& store,
                 Outbox& outbox, DeviceHooks hooks)
      : context_(std::move(options), clock, engine, store, outbox, std::move(hooks)) {}

  std::vector<std::string> subscriptions() const override { return mqtt_.subscriptions(); }
  void on_message(std::string_view topic, std::string_view payload) override { mqtt_.on_message(topic, payload); }
  void on_oversized(std::string_view topic, std::size_t size) override { mqtt_.on_oversized(topic, size); }
  void on_retained(std::string_view topic) override { mqtt_.on_retained(topic); }
  void on_dropped(std::string_view topic, std::string_view payload, const std::string& why) override {
    mqtt_.on_dropped(topic, payload, why);
  }

  bool owns(std::string_view path) const override {
    return path.starts_with(kDownloadPrefix) || path.starts_with(http_.prefix());
  }
  boost::asio::awaitable<http::Reply> handle(http::Request& request) override {
    const bool download = request.path().starts_with(kDownloadPrefix);
    // `next` takes a device in and gives it what waits for it.
    const auto reads = download ? ReadsChange::no : ReadsChange::yes;
    if (auto error = refuse_request(request, *context_.options.hosts, reads)) {
      context_.refusals.write({}, {}, *error);
      return refuse(std::move(*error), download);
    }
    return download ? downloads_.handle(request) : http_.handle(request);
  }
  DeviceCounters counters() const override {
    DeviceCounters counters;
    counters.messages = context_.messages;
    counters.bad_messages = context_.bad_messages;
    counters.dropped = context_.dropped;
    counters.unsent = context_.outbox.unsent();
    counters.downloads = context_.downloads;
    counters.mqtt_chunks = context_.mqtt_chunks;
    counters.mqtt_chunk_bytes = context_.mqtt_chunk_bytes;
    counters.mqtt_chunks_lost = context_.mqtt_chunks_lost;
    return counters;
  }
  void stop_chunks() override { chunks_.stop(); }

 private:
  static boost::asio::awaitable<http::Reply> refuse(Error error, bool download) {
    co_return download ? problem_reply(error) : error_reply({std::move(error), {}});
  }

  DeviceContext context_;
  ChunkSender chunks_{context_};
  DeviceMqtt mqtt_{context_, chunks_};
  DeviceHttp http_{context_};
  Downloads downloads_{context_};
};

}  // namespace

std::unique_ptr<DeviceApi> DeviceApi::create(DeviceOptions options, const Clock& clock, engine::Engine& engine,
                                             firmware::Store& store, Outbox& outbox, DeviceHooks hooks) {
  return std::make_unique<DeviceApiParts>(std::move(options), clock, engine, store, outbox, std::move(hooks));
}

}  // namespace ota::api
