#include "ota/api/operator_api.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/errors.hpp"
#include "api/operator_context.hpp"
#include "api/routes.hpp"
#include "ota/base/log.hpp"

namespace ota::api {
namespace {

std::string_view name_of(Needs needs) { return needs == Needs::admin ? "admin" : "operator"; }

/// One line for each request that fails; the query stays out of it.
void log_failure(const Call& call, unsigned status, const Error& error) {
  const auto line =
      fmt::format("{} {} answered {} {} actor={} from={}: {}", http::to_string(call.request.method()),
                  call.request.path(), status, rest_code(error.code), call.actor, call.request.remote(), error.message);
  const bool ours = status >= 500 && error.code != Errc::cancelled;  // who went away is at fault for that
  log::write(ours ? log::Level::error : log::Level::warn, line);
}

constexpr std::size_t kLongestTarget = 256;  // of a path in the audit log

bool changes(const http::Request& request) {
  return request.method() != http::Method::get && request.method() != http::Method::head;
}

/// A browser sends along which site's page is behind a request. Where no key is asked for, such a page must not change
/// anything: whoever sits at the browser didn't mean it.
bool from_foreign_page(const http::Request& request) {
  if (!changes(request)) return false;
  const auto origin = request.header("Origin");
  if (origin.empty()) return false;
  const auto site = origin.find("://");
  return site == std::string_view::npos || origin.substr(site + 3) != request.header("Host");
}

class OperatorApiImpl final : public OperatorApi {
 public:
  OperatorApiImpl(OperatorOptions options, const Clock& clock, engine::Engine& engine, storage::Readers& readers,
                  firmware::Store& store, firmware::TrustedKeys trusted, Probes probes)
      : context_{
            options, clock, engine, readers, store, std::move(trusted), std::move(probes), {readers, engine, clock}} {}

  boost::asio::awaitable<http::Reply> handle(http::Request& request) override {
    Call call{request, {}, "anonymous", 0};
    auto answer = co_await answer_of(call);
    auto reply = answer ? std::move(*answer) : refuse(call, answer.error());
    count(reply.status);
    co_return reply;
  }

 private:
  Answering answer_of(Call& call) {
    auto match = match_route(call.request.method(), call.request.path());
    if (!match.route && match.allow.empty())
      co_return fail(Errc::not_found, fmt::format("there is nothing at {}", call.request.path()));
    if (!match.route) co_return refuse_method(call, match.allow);
    call.arguments = std::move(match.arguments);
    auto allowed = co_await authorize(call, match.route->needs);
    if (!allowed) co_return allowed.error();
    co_return co_await match.route->handler(context_, call);
  }

  boost::asio::awaitable<Result<void>> authorize(Call& call, Needs needs) {
    if (!context_.options.auth_required && from_foreign_page(call.request))
      co_return fail(Errc::forbidden, "pages of other sites may not change anything here");
    if (needs == Needs::nothing || !context_.options.auth_required) co_return Result<void>{};
    auto caller = co_await context_.keys.authenticate(call.request.header("Authorization"));
    if (!caller) co_return caller.error();
    call.actor = caller->name;
    if (may(needs, caller->role)) co_return Result<void>{};
    co_return fail(Errc::forbidden, fmt::format("this call needs the role {}; the key \"{}\" has {}", name_of(needs),
                                                caller->name, storage::to_string(caller->role)));
  }

  static http::Reply refuse_method(const Call& call, const std::string& allow) {
    auto reply = method_not_allowed_reply(allow);
    log_failure(call, reply.status, fail(Errc::method_not_allowed, fmt::format("this path takes {}", allow)));
    return reply;
  }

  http::Reply refuse(const Call& call, const Error& error) {
    const auto status = call.problem_status != 0 ? call.problem_status : http_status(error.code);
    log_failure(call, status, error);
    if (changes(call.request)) audit_refusal(call, error);
    return problem_reply(error, status);
  }

  /// What is done the engine writes down with the deed.
  void audit_refusal(const Call& call, const Error& error) {
    AuditEntry entry;
    entry.caller = call.caller();
    entry.action = http::to_string(call.request.method());
    entry.target = call.request.path().substr(0, kLongestTarget);
    entry.outcome = rest_code(error.code);
    context_.engine.audit(std::move(entry));
  }

  void count(unsigned status) {
    ++context_.answered[std::min<std::size_t>(status / 100, std::size(context_.answered) - 1)];
  }

  Context context_;
};

}  // namespace

std::unique_ptr<OperatorApi> OperatorApi::create(OperatorOptions options, const Clock& clock, engine::Engine& engine,
                                                 storage::Readers& readers, firmware::Store& store,
                                                 firmware::TrustedKeys trusted, Probes probes) {
  return std::make_unique<OperatorApiImpl>(options, clock, engine, readers, store, std::move(trusted),
                                           std::move(probes));
}

}  // namespace ota::api
