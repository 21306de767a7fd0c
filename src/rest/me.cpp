// GET /me: who the caller is, so that a client can offer what the key may do (docs/rest.md, Authentication).
#include <nlohmann/json.hpp>

#include "rest/handlers.hpp"
#include "rest/json.hpp"

namespace ota::rest {

Answering get_me(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const Json json = {{"name", call.actor},
                     {"role", to_string(call.role)},
                     {"scope", call.scope.texts()},
                     {"auth_required", context.options.auth_required}};
  co_return wire::json_reply(200, to_text(json));
}

}  // namespace ota::rest
