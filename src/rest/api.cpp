#include "ota/rest/api.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "ota/base/log.hpp"
#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "ota/wire/bearer.hpp"
#include "ota/wire/errors.hpp"
#include "ota/wire/request_guard.hpp"
#include "rest/auth_throttle.hpp"
#include "rest/context.hpp"
#include "rest/cors.hpp"
#include "rest/routes.hpp"

namespace ota::rest {
namespace {

constexpr const char* kPlaces =
    "/firmware, /tasks, /devices, /fleet, /channels, /rollouts, /summary, /me, /audit, /keys, /events, /webhooks, "
    "/settings, /healthz, /readyz, /metrics, /openapi.json and /openapi.yaml";

std::string_view name_of(Needs needs) { return needs == Needs::admin ? "admin" : "operator"; }

/// Clients and proxies resolve `.` and `..`, escaped or not (RFC 3986, 5.2.4), so no route may contain them.
bool has_dot_segment(std::string_view path) {
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    const auto segment = percent_decode(path.substr(0, end));
    if (segment == "." || segment == "..") return true;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return false;
}

Error no_such_path(std::string_view path) {
  constexpr std::size_t kMost = 200;
  std::string shown;
  append_printable(shown, path.substr(0, kMost));
  if (has_dot_segment(path))
    return fail(Errc::not_found, fmt::format("there is no path {}: no part of a path may be . or ..", shown));
  const auto meant = path.size() <= kMost ? nearest_path(path) : std::string();
  return fail(Errc::not_found, meant.empty() ? fmt::format("there is no path {}; known are {}", shown, kPlaces)
                                             : fmt::format("there is no path {}; did you mean {}?", shown, meant));
}

/// One log line for a failed request, without the query.
void log_failure(const Call& call, unsigned status, const Error& error, std::uint64_t left_out) {
  auto line = fmt::format("{} {} answered {} {} actor={} from={}: {}", http::to_string(call.request.method()),
                          call.request.path(), status, wire::rest_code(error.code), call.actor, call.request.remote(),
                          error.message);
  if (left_out > 0) line += fmt::format(" ({} more refused calls of {} were not logged)", left_out, call.actor);
  const bool ours = status >= 500 && error.code != Errc::cancelled;  // cancelled: the client disconnected
  log::write(ours ? log::Level::error : log::Level::warn, line);
}

constexpr std::size_t kLongestTarget = 256;  // of a path in the audit log

/// RFC 6585, 4.
const Error& too_many(Call& call, const Error& error) {
  call.problem_status = 429;
  return error;
}

class OperatorApiImpl final : public Api {
 public:
  OperatorApiImpl(Options options, const Clock& clock, engine::Engine& engine, storage::Readers& readers,
                  events::Feed& feed, events::Webhooks& webhooks, firmware::Store& store,
                  std::shared_ptr<const firmware::Trust> trust, Probes probes)
      : context_{options, clock, engine, readers, feed, webhooks, store, std::move(trust), std::move(probes),
                 {readers, engine, clock}},
        gate_(clock) {}

  boost::asio::awaitable<http::Reply> handle(http::Request& request) override {
    Call call{request};
    const auto began = std::chrono::steady_clock::now();
    auto answer = co_await answer_of(call);
    auto reply = answer ? std::move(*answer) : refuse(call, answer.error());
    add_cors(reply, request, context_.options.cors_origins);
    context_.metrics.add(call.route, reply.status,
                         std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    co_return reply;
  }

 private:
  Answering answer_of(Call& call) {
    if (auto error = wire::refuse_request(call.request, *context_.options.hosts, wire::ReadsChange::no,
                                           context_.options.cors_origins))
      co_return std::move(*error);
    if (!context_.options.cors_origins.empty() && is_preflight(call.request)) co_return preflight_reply();
    auto match = match_route(call.request.method(), call.request.path());
    call.route = match.route;
    auto allowed = co_await authorize(call, match.route);
    if (!allowed) co_return allowed.error();
    if (!match.route && match.allow.empty()) co_return no_such_path(call.request.path());
    if (!match.route) co_return refuse_method(call, match.allow);
    call.arguments = std::move(match.arguments);
    auto in_scope = co_await check_reach(context_, call, match.route->scoped);
    if (!in_scope) co_return in_scope.error();
    co_return co_await match.route->handler(context_, call);
  }

  /// Authenticates the call and checks its role. An unknown path is 404 for every caller, and is recorded under the
  /// key's name.
  boost::asio::awaitable<Result<void>> authorize(Call& call, const Route* route) {
    if ((route && route->needs == Needs::nothing) || !context_.options.auth_required) co_return Result<void>{};
    const auto authorization = call.request.header("Authorization");
    auto caller = co_await context_.keys.authenticate(authorization);
    if (!caller) {
      if (caller.error().code != Errc::unauthenticated) co_return caller.error();
      if (!route) co_return Result<void>{};
      if (const auto slower = gate_.refuse_failure(wire::bearer_token(authorization)))
        co_return too_many(call, *slower);
      co_return caller.error();
    }
    call.actor = caller->name;
    call.role = caller->role;
    call.scope = std::move(caller->scope);
    if (const auto slower = gate_.refuse_call(caller->name)) co_return too_many(call, *slower);
    if (!route || may(route->needs, caller->role)) co_return Result<void>{};
    co_return fail(Errc::forbidden, fmt::format("this call needs the role {}; the key \"{}\" has {}",
                                                name_of(route->needs), caller->name, to_string(caller->role)));
  }

  http::Reply refuse_method(const Call& call, const std::string& allow) {
    write_down(call, 405, wire::method_not_allowed(allow));
    return wire::method_not_allowed_reply(allow);
  }

  http::Reply refuse(const Call& call, const Error& error) {
    const auto status = call.problem_status != 0 ? call.problem_status : wire::http_status(error.code);
    write_down(call, status, error);
    return wire::problem_reply(error, status);
  }

  /// Logs a refused call, and adds an audit entry if it would have changed something or wasn't permitted. Limited for
  /// each key, and for all calls without one together, so that they can't fill the disk.
  void write_down(const Call& call, unsigned status, const Error& error) {
    std::uint64_t left_out = 0;
    if (gate_.log_lines.take(call.actor, left_out)) log_failure(call, status, error, left_out);
    const bool barred = status == 401 || status == 403 || status == 421 || status == 429;
    if (http::is_safe(call.request.method()) && !barred) return;
    left_out = 0;
    if (!gate_.audit_entries.take(call.actor, left_out)) return;
    if (left_out > 0) audit_left_out(call, left_out);
    audit_refusal(call, error);
  }

  void audit_left_out(const Call& call, std::uint64_t count) {
    AuditEntry entry;
    entry.caller.name = call.actor;
    entry.action = "refused";
    entry.target = fmt::format("{} calls", count);
    entry.outcome = "not written down";
    context_.engine.audit(std::move(entry));
  }

  /// Successful changes are recorded by the engine in the transaction of the change.
  void audit_refusal(const Call& call, const Error& error) {
    AuditEntry entry;
    entry.caller = call.caller();
    entry.action = http::to_string(call.request.method());
    entry.target = call.request.path().substr(0, kLongestTarget);
    entry.outcome = wire::rest_code(error.code);
    context_.engine.audit(std::move(entry));
  }

  Context context_;
  AuthThrottle gate_;
};

}  // namespace

std::unique_ptr<Api> Api::create(Options options, const Clock& clock, engine::Engine& engine, storage::Readers& readers,
                                 events::Feed& feed, events::Webhooks& webhooks, firmware::Store& store,
                                 std::shared_ptr<const firmware::Trust> trust, Probes probes) {
  return std::make_unique<OperatorApiImpl>(options, clock, engine, readers, feed, webhooks, store, std::move(trust),
                                           std::move(probes));
}

}  // namespace ota::rest
