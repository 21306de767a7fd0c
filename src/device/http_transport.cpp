#include "device/http_transport.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <functional>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "device/credentials.hpp"
#include "device/encode.hpp"
#include "device/long_polls.hpp"
#include "device/message_log.hpp"
#include "ota/base/mutex.hpp"
#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "ota/http/await.hpp"
#include "ota/wire/errors.hpp"
#include "ota/wire/reply.hpp"
#include "ota/wire/request_guard.hpp"

namespace ota::device {
namespace asio = boost::asio;

namespace {

std::string prefix_of(const std::string& topic_root) {
  return fmt::format("{}{}/", topic_root.starts_with('/') ? "" : "/", topic_root);
}

Error no_such_path() {
  std::vector<std::string_view> names;
  for (const auto& type : message_types()) names.push_back(type.name);
  return fail(Errc::not_found, fmt::format("no such path; it is <root>/<device>/{} or next", fmt::join(names, ", ")));
}

constexpr const char* kJsonOnly =
    "Content-Type must be application/json or absent (with curl: -H 'Content-Type: application/json')";

/// `wait` of the query, in seconds; nothing if it is not a number from 0 to kMaxWait.
std::optional<std::chrono::seconds> parse_wait(std::string_view query) {
  const auto items = parse_query(query);
  if (!items) return std::nullopt;
  const auto item = std::find_if(items->begin(), items->end(), [](const auto& one) { return one.first == "wait"; });
  if (item == items->end()) return HttpTransport::kDefaultWait;
  const auto wait = parse_decimal<unsigned>(item->second);
  if (!wait || *wait > HttpTransport::kMaxWait.count()) return std::nullopt;
  return std::chrono::seconds(*wait);
}

}  // namespace

/// A device's long poll. It is removed from the list however it ends, also when its coroutine is destroyed.
/// Thread-safe; no other lock is taken while its lock is held.
class LongPoll : public std::enable_shared_from_this<LongPoll> {
 public:
  /// `base`: from base_url().
  LongPoll(Notifier& notifier, std::string device, std::string base)
      : notifier_(notifier), device_(std::move(device)), base_(std::move(base)) {}
  ~LongPoll() { close(); }
  LongPoll(const LongPoll&) = delete;
  LongPoll& operator=(const LongPoll&) = delete;

  /// From now on no pushed message is lost. False: too many devices are waiting. Call it once, before the others.
  bool open() {
    number_ = notifier_.open_poll(device_, base_, [weak = weak_from_this()](std::optional<std::string> payload) {
      if (const auto poll = weak.lock()) poll->come(std::move(payload));
    });
    return number_.has_value();
  }
  /// Ends the poll without a payload.
  void close() {
    if (number_) notifier_.close_poll(device_, *number_);
  }
  /// `done` is called once, here or later: with the pushed payload, or with nothing if the poll ended without one.
  void wait(PollDone done) {
    std::optional<std::optional<std::string>> came;
    {
      const MutexLock lock(mutex_);
      if (!came_) {
        done_ = std::move(done);
        return;
      }
      came = std::move(came_);
    }
    done(std::move(*came));
  }

 private:
  void come(std::optional<std::string> payload) {
    PollDone done;
    {
      const MutexLock lock(mutex_);
      if (!done_) {
        came_ = std::move(payload);
        return;
      }
      done = std::move(done_);
    }
    done(std::move(payload));
  }

  Notifier& notifier_;
  const std::string device_;
  const std::string base_;
  std::optional<std::uint64_t> number_;
  Mutex mutex_;
  PollDone done_ OTA_GUARDED_BY(mutex_);
  std::optional<std::optional<std::string>> came_ OTA_GUARDED_BY(mutex_);  // arrived before wait()
};

HttpTransport::HttpTransport(Context& context) : context_(context), prefix_(prefix_of(context.options.topic_root)) {}

asio::awaitable<http::Reply> HttpTransport::handle(http::Request& request) {
  const auto path = request.path();
  const auto rest = path.starts_with(prefix_) ? path.substr(prefix_.size()) : std::string_view();
  const auto slash = std::min(rest.find('/'), rest.size());
  const auto last = percent_decode(rest.substr(std::min(slash + 1, rest.size()))).value_or("");
  const auto* const type = find_message_type(last);
  const bool is_next = last == "next";
  if (!type && !is_next)
    co_return refused(request, {}, {no_such_path(), {}});
  const auto device = DeviceId::parse(percent_decode(rest.substr(0, slash)).value_or(""));
  if (!device) {
    ++context_.bad_messages;
    co_return refused(request, {},
                      {fail(Errc::bad_message, fmt::format("the path's device id {}", kDeviceIdRule)), {}});
  }
  const auto method = is_next ? http::Method::get : http::Method::post;
  if (request.method() != method) {
    const auto name = http::to_string(method);
    auto reply = refused(request, device->str(), {wire::method_not_allowed(name), {}});
    reply.headers.push_back({"Allow", std::string(name)});
    co_return reply;
  }
  auto handling = is_next ? next(request, *device) : message(request, *device, *type);
  auto reply = co_await std::move(handling);
  log_message("sent", "http", device->str(), path, reply.body.size());
  co_return reply;
}

asio::awaitable<http::Reply> HttpTransport::message(http::Request& request, DeviceId device, const MessageType& type) {
  const auto content_type = request.header("Content-Type");
  if (!content_type.empty() && !wire::is_json_type(content_type)) {
    ++context_.bad_messages;
    co_return refused(request, device.str(), {fail(Errc::unsupported_type, kJsonOnly), {}});
  }
  auto reading = request.read_all(kMaxDevicePayload);
  const auto body = co_await std::move(reading);
  if (!body) {
    ++context_.bad_messages;
    co_return refused(request, device.str(), {body.error(), {}, kMinMessageBytes});
  }
  log_message("received", "http", device.str(), request.path(), body->size());
  auto decoded = type.decode(*body);
  if (!decoded.message) {
    ++context_.bad_messages;
    co_return refused(request, device.str(), {decoded.message.error(), decoded.task, kMinMessageBytes});
  }
  const auto who = http_credentials(request, device, decoded.who);
  const bool is_progress = std::holds_alternative<ProgressReport>(*decoded.message);
  if (const auto error = context_.throttle.refuse(device.str(), who, is_progress)) {
    ++context_.dropped;
    co_return refused(request, device.str(), {*error, decoded.task, kMinMessageBytes});
  }
  ++context_.messages;
  std::function<void(engine::Reply)> call = [this, &device, &who, &decoded](engine::Reply reply) {
    context_.engine.receive(device, who, std::move(*decoded.message), std::move(reply));
  };
  auto calling = http::await_call<std::optional<Answer>>(std::move(call));
  const auto answer = co_await std::move(calling);
  if (const auto slower = context_.throttle.record_result(device.str(), who, answer)) {
    ++context_.dropped;
    co_return refused(request, device.str(), {*slower, decoded.task, kMinMessageBytes});
  }
  if (!answer) co_return wire::no_content_reply();
  if (const auto* error = std::get_if<ErrorAnswer>(&*answer)) {
    if (error->error.code == Errc::overloaded) ++context_.dropped;
    co_return refused(request, device.str(), *error);
  }
  co_return answer_reply(request, device.str(), *answer);
}

asio::awaitable<http::Reply> HttpTransport::next(http::Request& request, DeviceId device) {
  const auto wait = parse_wait(request.query());
  if (!wait)
    co_return refused(
        request, device.str(),
        {fail(Errc::bad_message, fmt::format("\"wait\" must be a number of seconds from 0 to {}", kMaxWait.count())),
         {},
         kMinMessageBytes});
  const auto who = http_credentials(request, device, {});
  if (const auto error = context_.throttle.refuse(device.str(), who)) {
    ++context_.dropped;
    co_return refused(request, device.str(), {*error, {}, kMinMessageBytes});
  }
  const auto poll =
      wait->count() > 0 ? std::make_shared<LongPoll>(context_.notifier, device.str(), context_.base_url(request)) : nullptr;
  auto asking = listen(device, who, poll);
  const auto answer = co_await std::move(asking);
  if (const auto slower = context_.throttle.record_result(
          device.str(), who, answer ? *answer : std::optional<Answer>(ErrorAnswer{answer.error(), {}}))) {
    ++context_.dropped;
    co_return refused(request, device.str(), {*slower, {}, kMinMessageBytes});
  }
  if (!answer) co_return refused(request, device.str(), {answer.error(), {}, kMinMessageBytes});
  if (*answer) co_return answer_reply(request, device.str(), **answer);
  if (!poll) co_return wire::no_content_reply();
  auto waiting = hold(poll, *wait);
  auto payload = co_await std::move(waiting);
  if (!payload) co_return wire::no_content_reply();
  co_return wire::json_reply(200, std::move(*payload));
}

asio::awaitable<Result<std::optional<Answer>>> HttpTransport::listen(DeviceId device, Credentials who,
                                                                     std::shared_ptr<LongPoll> poll) {
  using Listened = Result<std::optional<Answer>>;
  std::function<void(std::function<void(Listened)>)> ask = [this, &device, &who,
                                                            poll](std::function<void(Listened)> done) {
    context_.engine.listen(device, who, [poll, done = std::move(done)](Listened answer) {
      // Opened on the engine's thread, so that a message pushed right after this answer finds the poll open.
      const bool waits = answer && !*answer && poll;
      if (waits && !poll->open()) answer = fail(Errc::overloaded, "too many devices are waiting; use request instead");
      done(std::move(answer));
    });
  };
  auto asking = http::await_call<Listened>(std::move(ask));
  co_return co_await std::move(asking);
}

asio::awaitable<std::optional<std::string>> HttpTransport::hold(std::shared_ptr<LongPoll> poll,
                                                                std::chrono::seconds wait) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, wait);
  timer.async_wait([weak = std::weak_ptr(poll)](const boost::system::error_code& cut) {
    const auto waiting = weak.lock();
    if (!cut && waiting) waiting->close();
  });
  std::function<void(PollDone)> start = [poll](PollDone done) { poll->wait(std::move(done)); };
  auto waiting = http::await_call<std::optional<std::string>>(std::move(start));
  co_return co_await std::move(waiting);
}

http::Reply HttpTransport::answer_reply(const http::Request& request, const std::string& device, const Answer& answer) {
  auto payload = context_.notifier.payload(answer, context_.base_url(request));
  if (payload) return wire::json_reply(200, std::move(*payload));
  return refused(request, device, too_long(answer, payload.error()));
}

http::Reply HttpTransport::refused(const http::Request& request, std::string_view device, const ErrorAnswer& answer) {
  context_.refusals.write(device, answer.task, answer.error, {request.remote(), request.path()});
  return error_reply(answer);
}

http::Reply error_reply(const ErrorAnswer& answer) {
  const auto& error = answer.error;
  auto reply = wire::json_reply(std::min(wire::http_status(error.code), 503u), error_payload(answer));
  wire::add_error_headers(reply, error);
  return reply;
}

}  // namespace ota::device
