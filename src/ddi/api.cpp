#include "ota/ddi/api.hpp"

#include <fmt/format.h>

#include <atomic>
#include <map>
#include <utility>

#include "ddi/handlers.hpp"
#include "ddi/identity.hpp"
#include "ota/base/mutex.hpp"
#include "ota/base/text.hpp"
#include "ota/wire/errors.hpp"
#include "ota/wire/reply.hpp"
#include "ota/wire/request_guard.hpp"

namespace ota::ddi {
namespace {

/// What hawkBit's clients know how to handle: 429 is the only one after which all of them try again.
unsigned status_of(Errc code) {
  switch (code) {
    case Errc::not_authorized:
    case Errc::unauthenticated:
      return 401;
    case Errc::overloaded:
    case Errc::too_many_new:
    case Errc::cancelled:
      return 429;
    case Errc::task_ended:
      return 410;
    case Errc::malformed:
      return 400;
    case Errc::wrong_state:
      return 405;
    default:
      return wire::http_status(code);
  }
}

http::Reply error_reply(const Error& error) {
  http::Reply reply;
  reply.status = status_of(error.code);
  if (reply.status == 401) return reply;  // with an empty body
  reply = wire::json_reply(reply.status, error_json(error));
  wire::add_error_headers(reply, error);
  if (error.code == Errc::wrong_state) reply.headers.push_back({"Allow", "GET"});
  return reply;
}

class ApiParts final : public Api {
 public:
  ApiParts(Options options, Random& random, engine::Engine& engine, download::Shared shared)
      : context_{std::move(options), random, engine, shared} {}

  bool owns(std::string_view path) const override { return is_ddi_path(path); }

  boost::asio::awaitable<http::Reply> handle(http::Request& request) override {
    auto path = parse_path(request.path());
    const auto device = path ? DeviceId::parse(path->controller) : std::nullopt;
    const std::string name = device ? device->str() : std::string();
    if (auto error = refuse(request, path, device.has_value())) co_return refused(request, name, *error);
    if (!allows(path->resource, request.method())) {
      const auto methods = allowed_methods(path->resource);
      auto reply = refused(request, name, wire::method_not_allowed(methods));
      reply.headers.push_back({"Allow", std::string(methods)});
      co_return reply;
    }
    if (const auto header = ignored_header(request, context_.options); !header.empty())
      context_.shared.refusals.write_ignored(header, {request.remote(), request.path()});
    auto who = credentials(request, *device, context_.options);
    if (!who) {
      const auto slower = context_.shared.throttle.record_result(name, {}, false);
      co_return refused(request, name, slower ? *slower : who.error());
    }
    const bool download = path->resource == Resource::artifact;
    if (const auto error = context_.shared.throttle.refuse(name, *who, download))
      co_return refused(request, name, *error);
    Call call{request, std::move(*path), *device, *who};
    auto answering = answer(context_, call);
    auto reply = co_await std::move(answering);
    const bool believed =
        reply || (reply.error().code != Errc::not_authorized && reply.error().code != Errc::unknown_device);
    if (const auto slower = context_.shared.throttle.record_result(name, *who, believed))
      co_return refused(request, name, *slower);
    if (!reply) co_return refused(request, name, reply.error());
    count(call.path.resource);
    co_return std::move(*reply);
  }

  download::DdiCounters counters() const override {
    const MutexLock lock(mutex_);
    return {polls_.load(std::memory_order_relaxed), reports_.load(std::memory_order_relaxed), refused_};
  }

 private:
  void count(Resource resource) {
    if (resource == Resource::poll) polls_.fetch_add(1, std::memory_order_relaxed);
    if (resource == Resource::deployment_feedback || resource == Resource::cancel_feedback)
      reports_.fetch_add(1, std::memory_order_relaxed);
  }

  std::optional<Error> refuse(const http::Request& request, const std::optional<Path>& path, bool has_device) const {
    // A poll may register a new device, and returns what waits for it.
    if (auto error = wire::refuse_request(request, *context_.options.hosts, wire::ReadsChange::yes)) return error;
    if (!path) return fail(Errc::not_found, "there is no such path in hawkBit's device interface");
    if (!iequals(path->tenant, context_.options.tenant))
      return fail(Errc::not_found, fmt::format("the tenant must be {} (ddi.tenant)", context_.options.tenant));
    if (!has_device) return fail(Errc::bad_message, fmt::format("the controller id {}", kDeviceIdRule));
    return std::nullopt;
  }

  /// One log line for each, up to a rate.
  http::Reply refused(const http::Request& request, std::string_view device, const Error& error) {
    context_.shared.refusals.write(device, {}, error, {request.remote(), request.path()});
    const MutexLock lock(mutex_);
    ++refused_[std::string(wire::rest_code(error.code))];
    return error_reply(error);
  }

  Context context_;
  std::atomic<std::uint64_t> polls_{0};
  std::atomic<std::uint64_t> reports_{0};
  mutable Mutex mutex_;
  std::map<std::string, std::uint64_t> refused_ OTA_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Api> Api::create(Options options, Random& random, engine::Engine& engine, download::Shared shared) {
  return std::make_unique<ApiParts>(std::move(options), random, engine, shared);
}

}  // namespace ota::ddi
