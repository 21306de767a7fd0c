// What each of hawkBit's calls means: the engine's answer as a reply.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "ddi/encode.hpp"
#include "ddi/path.hpp"
#include "ota/ddi/api.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/messages.hpp"

namespace ota::ddi {

struct Context {
  const Options options;
  Random& random;
  engine::Engine& engine;
  download::Shared shared;
};

/// One call, its caller not yet believed: the engine is asked for that.
struct Call {
  http::Request& request;
  Path path;
  DeviceId device;
  Credentials who;
};

/// An Error becomes a reply and one log line.
using Answering = boost::asio::awaitable<Result<http::Reply>>;

/// By `call.path.resource`, whose methods allow the request. The arguments outlive the coroutine.
Answering answer(Context& context, Call& call);

}  // namespace ota::ddi
