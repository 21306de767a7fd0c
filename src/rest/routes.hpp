// The one table of the operators' routes: method, pattern, who may, what it does (api.md, REST).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ota/http/message.hpp"
#include "ota/storage/tables.hpp"
#include "rest/context.hpp"

namespace ota::rest {

/// Who may call: everybody, or an operator of at least that role.
enum class Needs : std::uint8_t { nothing, viewer, operator_, admin };

struct Route {
  http::Method method;
  std::string_view pattern;  ///< `{}` stands for one segment
  Needs needs;
  Answering (*handler)(Context&, Call&);
};

std::span<const Route> routes();

/// Where a request leads.
struct Match {
  const Route* route = nullptr;        ///< none: see `allow`
  std::vector<std::string> arguments;  ///< the segments behind `{}`
  std::string allow;                   ///< the methods of a path that exists, for 405; empty: no such path
};

/// HEAD is taken where GET is. Where a path fits two patterns, the one that spells it out counts.
Match match_route(http::Method method, std::string_view path);

/// What a path that is none was most likely meant to be: `/tasks/x` for `/task/x`; empty where no route is near it.
std::string nearest_path(std::string_view path);

bool may(Needs needs, storage::Role role);

}  // namespace ota::rest
