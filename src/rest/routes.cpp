#include "rest/routes.hpp"


#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "rest/handlers.hpp"

namespace ota::rest {
namespace {

using http::Method;

constexpr Route kRoutes[] = {
    {Method::post, "/firmware", Needs::operator_, upload_firmware},
    {Method::get, "/firmware", Needs::viewer, list_firmware},
    {Method::post, "/firmware/upgrade", Needs::operator_, post_upgrade},
    {Method::get, "/firmware/orphans", Needs::viewer, list_orphans},
    {Method::get, "/firmware/{}", Needs::viewer, get_firmware},
    {Method::patch, "/firmware/{}", Needs::operator_, patch_firmware},
    {Method::delete_, "/firmware/{}", Needs::operator_, delete_firmware},

    {Method::get, "/tasks", Needs::viewer, list_tasks},
    {Method::get, "/tasks/{}", Needs::viewer, get_task},
    {Method::patch, "/tasks/{}", Needs::operator_, patch_task},
    {Method::get, "/tasks/{}/log", Needs::viewer, get_task_log},
    {Method::post, "/tasks/{}/cancel", Needs::operator_, cancel_task},
    {Method::post, "/tasks/{}/retry", Needs::operator_, retry_task},

    {Method::get, "/devices", Needs::viewer, list_devices},
    {Method::get, "/devices/{}", Needs::viewer, get_device},
    {Method::put, "/devices/{}", Needs::admin, put_device},
    {Method::patch, "/devices/{}", Needs::admin, patch_device},
    {Method::delete_, "/devices/{}", Needs::admin, delete_device},
    {Method::post, "/devices/import", Needs::admin, import_devices},
    {Method::post, "/devices/tags", Needs::admin, post_device_tags},
    {Method::post, "/devices/{}/token", Needs::admin, issue_device_token},
    {Method::get, "/devices/{}/explain", Needs::viewer, explain_device},
    {Method::post, "/devices/move", Needs::operator_, move_devices},

    {Method::get, "/fleet", Needs::viewer, get_fleet},

    {Method::get, "/summary", Needs::viewer, get_summary},

    {Method::get, "/channels", Needs::viewer, list_channels},
    {Method::get, "/channels/{}", Needs::viewer, get_channel},
    {Method::put, "/channels/{}", Needs::admin, put_channel},
    {Method::delete_, "/channels/{}", Needs::admin, delete_channel},
    {Method::delete_, "/channels/{}/targets/{}", Needs::admin, delete_target},

    {Method::post, "/rollouts", Needs::operator_, post_rollout},
    {Method::get, "/rollouts", Needs::viewer, list_rollouts},
    {Method::get, "/rollouts/{}", Needs::viewer, get_rollout},
    {Method::patch, "/rollouts/{}", Needs::operator_, patch_rollout},
    {Method::get, "/rollouts/{}/devices", Needs::viewer, list_rollout_devices},
    {Method::get, "/rollouts/{}/history", Needs::viewer, list_rollout_history},
    {Method::get, "/rollouts/{}/report", Needs::viewer, list_rollout_report},
    {Method::post, "/rollouts/{}/pause", Needs::operator_, pause_rollout},
    {Method::post, "/rollouts/{}/resume", Needs::operator_, resume_rollout},
    {Method::post, "/rollouts/{}/advance", Needs::operator_, advance_rollout},
    {Method::post, "/rollouts/{}/finish", Needs::operator_, finish_rollout},
    {Method::post, "/rollouts/{}/cancel", Needs::operator_, cancel_rollout},
    {Method::post, "/rollouts/{}/approve", Needs::operator_, approve_rollout},
    {Method::post, "/rollouts/{}/deny", Needs::operator_, deny_rollout},
    {Method::post, "/rollouts/{}/retry", Needs::operator_, retry_rollout},
    {Method::post, "/rollouts/{}/rollback", Needs::operator_, rollback_rollout},

    {Method::get, "/me", Needs::viewer, get_me},

    {Method::get, "/audit", Needs::admin, list_audit},

    {Method::get, "/events", Needs::viewer, list_events},

    {Method::post, "/webhooks", Needs::admin, post_webhook},
    {Method::get, "/webhooks", Needs::admin, list_webhooks},
    {Method::get, "/webhooks/{}", Needs::admin, get_webhook},
    {Method::patch, "/webhooks/{}", Needs::admin, patch_webhook},
    {Method::delete_, "/webhooks/{}", Needs::admin, delete_webhook},
    {Method::post, "/webhooks/{}/test", Needs::admin, test_webhook},
    {Method::post, "/webhooks/{}/replay", Needs::admin, replay_webhook},
    {Method::post, "/webhooks/{}/rotate", Needs::admin, rotate_webhook},

    {Method::get, "/healthz", Needs::nothing, get_healthz},
    {Method::get, "/readyz", Needs::nothing, get_readyz},
    {Method::get, "/metrics", Needs::viewer, get_metrics},

    {Method::get, "/openapi.json", Needs::nothing, get_openapi_json},
    {Method::get, "/openapi.yaml", Needs::nothing, get_openapi_yaml},
};

std::string_view next_segment(std::string_view& pattern) {
  pattern.remove_prefix(1);
  const auto segment = pattern.substr(0, pattern.find('/'));
  pattern.remove_prefix(segment.size());
  return segment;
}

/// The number of literal segments in the pattern; nothing if the path doesn't match.
std::optional<int> fit(std::string_view pattern, const std::vector<std::string>& segments) {
  int literal = 0;
  for (const auto& segment : segments) {
    if (pattern.empty()) return std::nullopt;
    const auto wanted = next_segment(pattern);
    if (wanted == "{}") continue;
    if (wanted != segment) return std::nullopt;
    ++literal;
  }
  return pattern.empty() ? std::optional(literal) : std::nullopt;
}

std::string_view best_pattern(const std::vector<std::string>& segments) {
  std::string_view best;
  int best_fit = -1;
  for (const auto& route : kRoutes) {
    const int fits = fit(route.pattern, segments).value_or(-1);
    if (fits > best_fit) {
      best = route.pattern;
      best_fit = fits;
    }
  }
  return best;
}

void add_method(std::string& allow, Method method) {
  if (!allow.empty()) allow += ", ";
  allow += http::to_string(method);
  if (method == Method::get) allow += ", HEAD";
}

std::vector<std::string> arguments_of(std::string_view pattern, const std::vector<std::string>& segments) {
  std::vector<std::string> arguments;
  for (const auto& segment : segments) {
    if (next_segment(pattern) == "{}") arguments.push_back(segment);
  }
  return arguments;
}

/// The pattern with the path's segments for its placeholders.
std::string filled(std::string_view pattern, std::string_view path) {
  std::string text;
  while (!pattern.empty()) {
    const auto wanted = next_segment(pattern);
    const auto given = path.empty() ? std::string_view() : next_segment(path);
    text += '/';
    text += wanted == "{}" && !given.empty() ? given : wanted;
  }
  return text;
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

Match match_route(Method method, std::string_view path) {
  Match match;
  const auto segments = split_path(path);
  if (!segments || segments->empty()) return match;
  const auto pattern = best_pattern(*segments);
  if (pattern.empty()) return match;
  const auto wanted = method == Method::head ? Method::get : method;
  for (const auto& route : kRoutes) {
    if (route.pattern != pattern) continue;
    add_method(match.allow, route.method);
    if (route.method == wanted) match.route = &route;
  }
  match.arguments = arguments_of(pattern, *segments);
  return match;
}

std::string nearest_path(std::string_view path) {
  if (!path.starts_with('/')) return {};
  std::vector<std::string> paths;
  for (const auto& route : kRoutes) paths.push_back(filled(route.pattern, path));
  const std::vector<std::string_view> candidates(paths.begin(), paths.end());
  return std::string(closest(path, candidates));
}

bool may(Needs needs, Role role) {
  switch (needs) {
    case Needs::nothing:
    case Needs::viewer:
      return true;
    case Needs::operator_:
      return role >= Role::operator_;
    case Needs::admin:
      return role == Role::admin;
  }
  return false;
}

}  // namespace ota::rest
