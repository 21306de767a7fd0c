#include "ota/domain/api_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ota/base/text.hpp"
#include "ota/domain/selection.hpp"

namespace ota {
namespace {
constexpr std::array<std::string_view, 3> kRoles{"viewer", "operator", "admin"};
constexpr std::array<std::string_view, 4> kScopeFields{"id", "hardware", "channel", "tag"};
}  // namespace

std::string_view to_string(Role role) { return kRoles.at(static_cast<std::size_t>(role)); }

std::optional<Role> parse_role(std::string_view text) {
  for (std::size_t i = 0; i < kRoles.size(); ++i)
    if (kRoles[i] == text) return static_cast<Role>(i);
  return {};
}

Result<void> check_scope(const std::vector<std::string>& scope) {
  if (scope.size() > kMaxConditions)
    return fail(Errc::malformed, fmt::format("has more than {} conditions", kMaxConditions));
  for (const auto& text : scope) {
    const auto condition = parse_condition(text, Selects::devices);
    if (!condition) return condition.error();
    if (has_control(text)) return fail(Errc::malformed, "must not hold control characters");
    if (std::ranges::find(kScopeFields, condition->field->name) == kScopeFields.end())
      return fail(Errc::malformed,
                  fmt::format("condition \"{}\": a scope is by id, hardware, channel or tag.KEY", text));
  }
  return {};
}

}  // namespace ota
