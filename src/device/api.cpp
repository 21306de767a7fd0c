#include "ota/device/api.hpp"

#include <utility>

#include "device/context.hpp"
#include "device/http_transport.hpp"
#include "device/latest.hpp"
#include "device/mqtt_transport.hpp"
#include "ota/wire/errors.hpp"
#include "ota/wire/request_guard.hpp"

namespace ota::device {
namespace {

class ApiParts final : public Api {
 public:
  ApiParts(Options options, const Clock& clock, engine::Engine& engine, firmware::Store& store, Notifier& notifier,
           download::Hooks hooks)
      : context_(std::move(options), clock, engine, store, notifier, std::move(hooks)) {}

  std::vector<std::string> subscriptions() const override { return mqtt_.subscriptions(); }
  void on_message(std::string_view topic, std::string_view payload) override { mqtt_.on_message(topic, payload); }
  void on_oversized(std::string_view topic, std::size_t size) override { mqtt_.on_oversized(topic, size); }
  void on_retained(std::string_view topic) override { mqtt_.on_retained(topic); }
  void on_dropped(std::string_view topic, std::string_view payload, const std::string& why) override {
    mqtt_.on_dropped(topic, payload, why);
  }

  bool owns(std::string_view path) const override {
    return context_.downloads->owns(path) || path.starts_with(http_.prefix()) || Latest::owns(path);
  }
  boost::asio::awaitable<http::Reply> handle(http::Request& request) override {
    const bool download = context_.downloads->owns(request.path());
    // `next` may register a new device, and returns what waits for it.
    const auto reads = download ? wire::ReadsChange::no : wire::ReadsChange::yes;
    if (auto error = wire::refuse_request(request, *context_.options.hosts, reads)) {
      context_.refusals.write({}, {}, *error, {request.remote(), request.path()});
      return refuse(std::move(*error), download || Latest::owns(request.path()));
    }
    if (Latest::owns(request.path())) return latest_.handle(request);
    return download ? context_.downloads->handle(request) : http_.handle(request);
  }
  download::Shared shared() override { return {*context_.downloads, context_.throttle, context_.refusals}; }
  download::DeviceCounters counters() const override {
    auto counters = context_.downloads->counters();
    counters.messages = context_.messages;
    counters.bad_messages = context_.bad_messages;
    counters.dropped = context_.dropped;
    counters.unsent = context_.notifier.unsent();
    return counters;
  }
  void stop_chunks() override { context_.downloads->stop_chunks(); }

 private:
  static boost::asio::awaitable<http::Reply> refuse(Error error, bool as_problem) {
    co_return as_problem ? wire::problem_reply(error) : error_reply({std::move(error), {}});
  }

  Context context_;
  MqttTransport mqtt_{context_};
  HttpTransport http_{context_};
  Latest latest_{context_};
};

}  // namespace

std::unique_ptr<Api> Api::create(Options options, const Clock& clock, engine::Engine& engine, firmware::Store& store,
                                 Notifier& notifier, download::Hooks hooks) {
  return std::make_unique<ApiParts>(std::move(options), clock, engine, store, notifier, std::move(hooks));
}

}  // namespace ota::device
