#include "ddi/path.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "ota/base/text.hpp"
#include "ota/base/url.hpp"

namespace ota::ddi {
namespace {

constexpr std::string_view kMiddle = "/controller/v1";
constexpr std::string_view kMd5 = ".MD5SUM";

/// The segments after `{controllerId}`; `#` is a number, `*` a file name.
struct Route {
  std::initializer_list<std::string_view> segments;
  Resource resource;
};
const Route kRoutes[] = {
    {{}, Resource::poll},
    {{"configData"}, Resource::config_data},
    {{"deploymentBase", "#"}, Resource::deployment},
    {{"deploymentBase", "#", "feedback"}, Resource::deployment_feedback},
    {{"cancelAction", "#"}, Resource::cancel},
    {{"cancelAction", "#", "feedback"}, Resource::cancel_feedback},
    {{"softwaremodules", "#", "artifacts"}, Resource::artifacts},
    {{"softwaremodules", "#", "artifacts", "*"}, Resource::artifact},
    {{"installedBase", "#"}, Resource::installed},
    {{"installedBase"}, Resource::installed_base},
    {{"confirmationBase"}, Resource::confirmation_base},
    {{"confirmationBase", "activateAutoConfirm"}, Resource::activate_auto_confirm},
    {{"confirmationBase", "deactivateAutoConfirm"}, Resource::deactivate_auto_confirm},
    {{"confirmationBase", "#"}, Resource::confirmation},
    {{"confirmationBase", "#", "feedback"}, Resource::confirmation_feedback},
};

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

bool fits(const Route& route, const std::vector<std::string>& segments, std::size_t first, Path& path) {
  if (segments.size() - first != route.segments.size()) return false;
  auto at = segments.begin() + static_cast<std::ptrdiff_t>(first);
  for (const auto wanted : route.segments) {
    const auto& segment = *at++;
    if (wanted == "#") {
      if (!is_number(segment)) return false;
      path.number = parse_decimal<std::int64_t>(segment).value_or(-1);
    } else if (wanted == "*") {
      path.file = segment;
    } else if (segment != wanted) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool is_ddi_path(std::string_view path) {
  if (!path.starts_with('/')) return false;
  const auto slash = path.find('/', 1);
  if (slash == std::string_view::npos) return false;
  path.remove_prefix(slash);
  return path.starts_with(kMiddle) && (path.size() == kMiddle.size() || path[kMiddle.size()] == '/');
}

std::optional<Path> parse_path(std::string_view text) {
  constexpr std::size_t kFirst = 4;  // behind tenant, controller, v1 and the id
  auto segments = split_path(text);
  if (!is_ddi_path(text) || !segments || segments->size() < kFirst) return std::nullopt;
  Path path;
  const auto route = std::find_if(std::begin(kRoutes), std::end(kRoutes),
                                  [&](const Route& one) { return fits(one, *segments, kFirst, path); });
  if (route == std::end(kRoutes)) return std::nullopt;
  path.tenant = std::move((*segments)[0]);
  path.controller = std::move((*segments)[3]);
  path.resource = route->resource;
  if (path.resource == Resource::artifact && path.file.ends_with(kMd5) && path.file.size() > kMd5.size()) {
    path.resource = Resource::artifact_md5;
    path.file.resize(path.file.size() - kMd5.size());
  }
  return path;
}

std::string_view allowed_methods(Resource resource) {
  switch (resource) {
    case Resource::config_data:
    case Resource::installed_base:
      return "PUT";
    case Resource::deployment_feedback:
    case Resource::cancel_feedback:
    case Resource::confirmation_feedback:
    case Resource::activate_auto_confirm:
    case Resource::deactivate_auto_confirm:
      return "POST";
    default:
      return "GET, HEAD";
  }
}

bool allows(Resource resource, http::Method method) {
  const auto methods = allowed_methods(resource);
  if (methods == "PUT") return method == http::Method::put;
  if (methods == "POST") return method == http::Method::post;
  return method == http::Method::get || method == http::Method::head;
}

}  // namespace ota::ddi
