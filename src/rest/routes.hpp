// The table of all REST routes: method, pattern, required role, handler (docs/rest.md).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ota/domain/api_key.hpp"
#include "ota/http/message.hpp"
#include "rest/context.hpp"

namespace ota::rest {

/// Who may call a route: everyone, or an operator with at least that role.
enum class Needs : std::uint8_t { nothing, viewer, operator_, admin };

struct Route {
  http::Method method;
  std::string_view pattern;  ///< `{}` stands for one segment
  Needs needs;
  Answering (*handler)(Context&, Call&);
  Scoped scoped = Scoped::refused;  ///< what keys with a scope may do
};

std::span<const Route> routes();

/// The route of a request.
struct Match {
  const Route* route = nullptr;        ///< none: see `allow`
  std::vector<std::string> arguments;  ///< the segments behind `{}`
  std::string allow;                   ///< the methods of a path that exists, for 405; empty: no such path
};

/// HEAD matches the route of GET. If a path matches two patterns, the one without placeholders is used.
Match match_route(http::Method method, std::string_view path);

/// The path most similar to an unknown one: `/tasks/x` for `/task/x`; empty if no route is similar.
std::string nearest_path(std::string_view path);

bool may(Needs needs, Role role);

}  // namespace ota::rest
