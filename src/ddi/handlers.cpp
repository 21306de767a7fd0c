#include "ddi/handlers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>
#include <variant>

#include "ddi/decode.hpp"
#include "ddi/identity.hpp"
#include "ddi/poll_interval.hpp"
#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "ota/http/await.hpp"
#include "ota/wire/reply.hpp"
#include "ota/wire/request_guard.hpp"

namespace ota::ddi {
namespace asio = boost::asio;

namespace {

template <class T>
using Start = std::function<void(engine::Done<T>)>;

/// Waits for one of the engine's answers.
template <class T>
asio::awaitable<Result<T>> ask(Start<T> start) {
  auto asking = http::await_call<Result<T>>(std::move(start));
  co_return co_await std::move(asking);
}

DeviceUrl url_of(const Context& context, const Call& call) {
  return fmt::format("{}/{}/controller/v1/{}", base_url(call.request, context.options), call.path.tenant,
                     call.device.str());
}

/// 200 without a body, as clients insist on.
http::Reply empty_reply() { return {}; }

std::optional<ActionId> action_id(const Path& path) {
  if (path.number < 1 || path.number > std::numeric_limits<ActionId>::max()) return std::nullopt;
  return static_cast<ActionId>(path.number);
}

Error no_such_action(const Call& call) {
  return fail(Errc::unknown_task, fmt::format("device {} has no such action", call.device.str()));
}

asio::awaitable<Result<std::string>> body_of(Call& call) {
  const auto type = call.request.header("Content-Type");
  if (!type.empty() && !wire::is_json_type(type))
    co_return fail(Errc::unsupported_type, "Content-Type must be application/json or absent");
  auto reading = call.request.read_all(kMaxBody);
  co_return co_await std::move(reading);
}

/// `actionHistory`: how many messages; negative: all that there are.
int history_of(const Call& call) {
  constexpr int kMost = engine::ActionQuery::kMaxMessages;
  const auto items = parse_query(call.request.query());
  if (!items) return 0;
  for (const auto& [name, value] : *items) {
    if (name != "actionHistory") continue;
    const auto count = parse_decimal<int>(value).value_or(0);
    return count < 0 ? kMost : std::min(count, kMost);
  }
  return 0;
}

Answering poll(Context& context, Call& call) {
  const auto interval = spread(context.options.poll, context.random.unit());
  Start<engine::PollAnswer> start = [&](engine::Done<engine::PollAnswer> done) {
    context.engine.actions().poll(call.device, call.who, interval, std::move(done));
  };
  auto asking = ask<engine::PollAnswer>(std::move(start));
  const auto answer = co_await std::move(asking);
  if (!answer) co_return answer.error();
  const auto sleep = answer->again ? std::clamp(*answer->again, kShortestPoll, interval) : interval;
  co_return wire::json_reply(200, poll_json(*answer, url_of(context, call), sleep));
}

asio::awaitable<Result<engine::ActionView>> find(Context& context, Call& call, engine::ActionQuery::Of of) {
  const auto id = action_id(call.path);
  if (!id) co_return no_such_action(call);
  engine::ActionQuery query;
  query.action = *id;
  query.of = of;
  query.messages = history_of(call);
  Start<engine::ActionView> start = [&](engine::Done<engine::ActionView> done) {
    context.engine.actions().find(call.device, call.who, query, std::move(done));
  };
  auto asking = ask<engine::ActionView>(std::move(start));
  co_return co_await std::move(asking);
}

Answering deployment(Context& context, Call& call, engine::ActionQuery::Of of) {
  auto finding = find(context, call, of);
  const auto view = co_await std::move(finding);
  if (!view) co_return view.error();
  if (!view->firmware.file) co_return no_such_action(call);
  co_return wire::json_reply(200, deployment_json(*view, url_of(context, call), history_of(call) > 0));
}

Answering cancel(Context& context, Call& call) {
  auto finding = find(context, call, engine::ActionQuery::Of::cancel);
  const auto view = co_await std::move(finding);
  if (!view) co_return view.error();
  co_return wire::json_reply(200, cancel_json(view->action.id));
}

Answering feedback(Context& context, Call& call) {
  auto reading = body_of(call);
  const auto body = co_await std::move(reading);
  if (!body) co_return body.error();
  const auto id = action_id(call.path);
  if (!id) co_return no_such_action(call);
  auto report = decode_feedback(*body, *id);
  if (!report) co_return report.error();
  report->of_cancel = call.path.resource == Resource::cancel_feedback;
  Start<void> start = [&](engine::Done<void> done) {
    context.engine.actions().report(call.device, call.who, std::move(*report), std::move(done));
  };
  auto asking = ask<void>(std::move(start));
  const auto taken = co_await std::move(asking);
  if (!taken) co_return taken.error();
  co_return empty_reply();
}

asio::awaitable<Result<Firmware>> module(Context& context, Call& call) {
  Start<Firmware> start = [&](engine::Done<Firmware> done) {
    context.engine.actions().firmware(call.device, call.who, call.path.number, std::move(done));
  };
  auto asking = ask<Firmware>(std::move(start));
  auto firmware = co_await std::move(asking);
  if (firmware && !firmware->file)
    co_return fail(Errc::unknown_task, "the digests of the module's artifact are being computed: try again later");
  co_return firmware;
}

Answering artifacts(Context& context, Call& call) {
  auto finding = module(context, call);
  const auto firmware = co_await std::move(finding);
  if (!firmware) co_return firmware.error();
  co_return wire::json_reply(200, artifacts_json(*firmware, url_of(context, call)));
}

Error no_such_file(const Call& call) {
  return fail(Errc::not_found, fmt::format("module {} of device {} has no artifact of that name", call.path.number,
                                           call.device.str()));
}

Answering artifact_md5(Context& context, Call& call) {
  auto finding = module(context, call);
  const auto firmware = co_await std::move(finding);
  if (!firmware) co_return firmware.error();
  if (firmware->file->name != call.path.file) co_return no_such_file(call);
  http::Reply reply;
  reply.content_type = "text/plain";
  reply.headers.push_back({"Content-Disposition", fmt::format("attachment;filename={}.MD5SUM", call.path.file)});
  reply.body = md5sum(*firmware->file);
  co_return reply;
}

Answering artifact(Context& context, Call& call) {
  const auto range = call.request.header("Range");
  engine::ArtifactQuery query;
  query.firmware = call.path.number;
  query.from_start = call.request.method() == http::Method::get && (range.empty() || range == "bytes=0-");
  auto grant = context.engine.transfers().artifact(call.device.str(), call.who, query.firmware);
  if (!grant) {
    Start<engine::ArtifactGrant> start = [&](engine::Done<engine::ArtifactGrant> done) {
      context.engine.actions().artifact(call.device, call.who, query, std::move(done));
    };
    auto asking = ask<engine::ArtifactGrant>(std::move(start));
    auto asked = co_await std::move(asking);
    if (!asked) co_return asked.error();
    grant = std::move(*asked);
  }
  if (grant->filename != call.path.file) co_return no_such_file(call);
  co_return context.shared.service.file(call.request, *grant);
}

Answering config_data(Context& context, Call& call) {
  auto reading = body_of(call);
  const auto body = co_await std::move(reading);
  if (!body) co_return body.error();
  auto report = decode_config(*body);
  if (!report) co_return report.error();
  std::function<void(engine::Reply)> start = [&](engine::Reply reply) {
    context.engine.receive(call.device, call.who, std::move(*report), std::move(reply));
  };
  auto asking = http::await_call<std::optional<Answer>>(std::move(start));
  const auto answer = co_await std::move(asking);
  if (const auto* refused = answer ? std::get_if<ErrorAnswer>(&*answer) : nullptr) co_return refused->error;
  co_return empty_reply();
}

Answering installed_base(Context& context, Call& call) {
  auto reading = body_of(call);
  const auto body = co_await std::move(reading);
  if (!body) co_return body.error();
  auto version = decode_installed(*body);
  if (!version) co_return version.error();
  Start<void> start = [&](engine::Done<void> done) {
    context.engine.actions().running(call.device, call.who, std::move(*version), std::move(done));
  };
  auto asking = ask<void>(std::move(start));
  const auto taken = co_await std::move(asking);
  if (!taken) co_return taken.error();
  co_return empty_reply();
}

/// The confirmation flow is off, as it is in hawkBit by default: nothing waits for a confirmation, and whatever a device
/// says of confirming by itself changes nothing. The poll is what believes the caller.
Answering confirmation(Context& context, Call& call) {
  auto polling = poll(context, call);
  auto polled = co_await std::move(polling);
  if (!polled) co_return polled.error();
  if (call.path.resource == Resource::confirmation_base)
    co_return wire::json_reply(200, confirmation_json(url_of(context, call)));
  const bool of_action =
      call.path.resource == Resource::confirmation || call.path.resource == Resource::confirmation_feedback;
  if (of_action) co_return no_such_action(call);
  co_return empty_reply();
}

}  // namespace

Answering answer(Context& context, Call& call) {
  using Of = engine::ActionQuery::Of;
  switch (call.path.resource) {
    case Resource::poll:
      return poll(context, call);
    case Resource::config_data:
      return config_data(context, call);
    case Resource::deployment:
      return deployment(context, call, Of::install);
    case Resource::installed:
      return deployment(context, call, Of::installed);
    case Resource::cancel:
      return cancel(context, call);
    case Resource::deployment_feedback:
    case Resource::cancel_feedback:
      return feedback(context, call);
    case Resource::artifacts:
      return artifacts(context, call);
    case Resource::artifact:
      return artifact(context, call);
    case Resource::artifact_md5:
      return artifact_md5(context, call);
    case Resource::installed_base:
      return installed_base(context, call);
    default:
      return confirmation(context, call);
  }
}

}  // namespace ota::ddi
