// What every REST route uses: the modules below, the request, and how to wait for their results.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ota/http/await.hpp"
#include "ota/rest/api.hpp"
#include "ota/storage/readers.hpp"
#include "ota/wire/errors.hpp"
#include "ota/wire/reply.hpp"
#include "rest/api_keys.hpp"
#include "rest/route_metrics.hpp"
#include "rest/scope.hpp"

namespace ota::rest {

/// Of a JSON body, in bytes.
inline constexpr std::size_t kMaxBody = 64 * 1024;

/// One for the daemon. Thread-safe, as all its members are.
struct Context {
  Options options;
  const Clock& clock;
  engine::Engine& engine;
  storage::Readers& readers;
  events::Feed& feed;
  events::Webhooks& webhooks;
  firmware::Store& store;
  std::shared_ptr<const firmware::Trust> trust;
  Probes probes;
  ApiKeyAuthenticator keys;
  std::atomic<int> uploads{0};               ///< in progress
  RouteMetrics metrics{};
};

/// One request that a route handles.
struct Call {
  http::Request& request;
  std::vector<std::string> arguments{};  ///< the segments that matched `{…}` in the pattern
  std::string actor = "anonymous";
  Role role = Role::admin;  ///< of the actor: where no key is needed, everything is allowed
  Scope scope{};  ///< of the key; not limited without one
  Caller caller() const { return {actor, request.remote()}; }

  const Route* route = nullptr;  ///< what handles it
  unsigned problem_status = 0;  ///< status of an Error's response; 0: the usual one of its code
};

/// A route's answer; an Error becomes application/problem+json and one log line.
using Answering = boost::asio::awaitable<Result<http::Reply>>;

/// Runs `job` on a reader thread. `job` must own what it uses, because the caller may be destroyed before it runs.
/// Rethrows its exceptions.
template <class T>
boost::asio::awaitable<Result<T>> read(storage::Readers& readers, std::function<Result<T>(storage::ReadView&)> job) {
  using Outcome = std::variant<Result<T>, std::exception_ptr>;
  std::function<void(std::function<void(Outcome)>)> start = [&readers, job = std::move(job)](auto done) {
    const auto run = [job, done](storage::ReadView& view) {
      std::optional<Outcome> outcome;
      try {
        outcome.emplace(job(view));
      } catch (const storage::Fault&) {
        throw;  // the reader pool handles it
      } catch (const storage::BadRow&) {
        throw;
      } catch (...) {
        outcome.emplace(std::current_exception());
      }
      done(std::move(*outcome));
    };
    const bool taken = readers.post(run, [done](Error error) { done(Result<T>(std::move(error))); });
    if (!taken) done(Result<T>(wire::overloaded("too many requests wait for the database; try again in a moment", 1)));
  };
  auto waiting = http::await_call<Outcome>(std::move(start));
  auto outcome = co_await std::move(waiting);
  if (auto* fault = std::get_if<std::exception_ptr>(&outcome)) std::rethrow_exception(*fault);
  co_return std::get<Result<T>>(std::move(outcome));
}

/// Answers 200 with the JSON text that `job` reads.
Answering answer_read(Context& context, std::function<Result<std::string>(storage::ReadView&)> job);

/// Waits for an engine command; `start` passes the callback to the engine.
template <class T>
boost::asio::awaitable<Result<T>> command(std::function<void(engine::Done<T>)> start) {
  co_return co_await http::await_call<Result<T>>(std::move(start));
}

/// Adds `Location` with that path to a response.
void add_location(const Context& context, http::Reply& reply, std::string_view path);

/// An Error about one invalid field.
Error field_error(std::string field, std::string message, Errc code = Errc::malformed);

/// For routes without query parameters: an error that names each parameter.
Result<void> refuse_query(const Call& call);

/// Errc::unsupported_type for a Content-Type that isn't JSON. None at all, or that of a form as `curl -d` sends it, is
/// accepted from clients other than browsers: a page could send those cross-origin without a preflight request.
Result<void> require_json(const Call& call);

}  // namespace ota::rest
