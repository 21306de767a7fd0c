#include "rest/routes.hpp"


#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "rest/handlers.hpp"

namespace ota::rest {
namespace {

using http::Method;

constexpr Route kRoutes[] = {
    {Method::post, "/firmware", Needs::operator_, upload_firmware, Scoped::open},
    {Method::get, "/firmware", Needs::viewer, list_firmware, Scoped::open},
    {Method::post, "/firmware/upgrade", Needs::operator_, post_upgrade, Scoped::open},
    {Method::get, "/firmware/orphans", Needs::viewer, list_orphans, Scoped::open},
    {Method::get, "/firmware/{}", Needs::viewer, get_firmware, Scoped::open},
    {Method::patch, "/firmware/{}", Needs::operator_, patch_firmware},
    {Method::delete_, "/firmware/{}", Needs::operator_, delete_firmware},

    {Method::get, "/tasks", Needs::viewer, list_tasks, Scoped::open},
    {Method::get, "/tasks/{}", Needs::viewer, get_task, Scoped::task},
    {Method::patch, "/tasks/{}", Needs::operator_, patch_task, Scoped::task},
    {Method::get, "/tasks/{}/log", Needs::viewer, get_task_log, Scoped::task},
    {Method::post, "/tasks/{}/cancel", Needs::operator_, cancel_task, Scoped::task},
    {Method::post, "/tasks/{}/retry", Needs::operator_, retry_task, Scoped::task},

    {Method::get, "/devices", Needs::viewer, list_devices, Scoped::open},
    {Method::get, "/devices/{}", Needs::viewer, get_device, Scoped::device},
    {Method::put, "/devices/{}", Needs::admin, put_device, Scoped::open},
    {Method::patch, "/devices/{}", Needs::admin, patch_device, Scoped::open},
    {Method::delete_, "/devices/{}", Needs::admin, delete_device, Scoped::device},
    {Method::post, "/devices/import", Needs::admin, import_devices, Scoped::open},
    {Method::post, "/devices/tags", Needs::admin, post_device_tags, Scoped::open},
    {Method::post, "/devices/{}/token", Needs::admin, issue_device_token, Scoped::device},
    {Method::get, "/devices/{}/explain", Needs::viewer, explain_device, Scoped::device},
    {Method::post, "/devices/move", Needs::operator_, move_devices, Scoped::open},

    {Method::get, "/fleet", Needs::viewer, get_fleet, Scoped::open},

    {Method::get, "/summary", Needs::viewer, get_summary, Scoped::open},

    {Method::get, "/channels", Needs::viewer, list_channels, Scoped::open},
    {Method::get, "/channels/{}", Needs::viewer, get_channel, Scoped::open},
    {Method::put, "/channels/{}", Needs::admin, put_channel},
    {Method::delete_, "/channels/{}", Needs::admin, delete_channel},
    {Method::delete_, "/channels/{}/targets/{}", Needs::admin, delete_target},

    {Method::post, "/rollouts", Needs::operator_, post_rollout, Scoped::open},
    {Method::get, "/rollouts", Needs::viewer, list_rollouts, Scoped::open},
    {Method::get, "/rollouts/{}", Needs::viewer, get_rollout, Scoped::open},
    {Method::patch, "/rollouts/{}", Needs::operator_, patch_rollout, Scoped::rollout},
    {Method::get, "/rollouts/{}/devices", Needs::viewer, list_rollout_devices, Scoped::open},
    {Method::get, "/rollouts/{}/history", Needs::viewer, list_rollout_history, Scoped::open},
    {Method::get, "/rollouts/{}/report", Needs::viewer, list_rollout_report, Scoped::open},
    {Method::post, "/rollouts/{}/pause", Needs::operator_, pause_rollout, Scoped::rollout},
    {Method::post, "/rollouts/{}/resume", Needs::operator_, resume_rollout, Scoped::rollout},
    {Method::post, "/rollouts/{}/advance", Needs::operator_, advance_rollout, Scoped::rollout},
    {Method::post, "/rollouts/{}/finish", Needs::operator_, finish_rollout, Scoped::rollout},
    {Method::post, "/rollouts/{}/cancel", Needs::operator_, cancel_rollout, Scoped::rollout},
    {Method::post, "/rollouts/{}/approve", Needs::operator_, approve_rollout, Scoped::rollout},
    {Method::post, "/rollouts/{}/deny", Needs::operator_, deny_rollout, Scoped::rollout},
    {Method::post, "/rollouts/{}/retry", Needs::operator_, retry_rollout, Scoped::rollout},
    {Method::post, "/rollouts/{}/rollback", Needs::operator_, rollback_rollout},

    {Method::get, "/me", Needs::viewer, get_me, Scoped::open},

    {Method::get, "/settings", Needs::admin, list_settings},

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

    {Method::get, "/keys", Needs::admin, list_keys},
    {Method::post, "/keys", Needs::admin, add_key},
    {Method::get, "/keys/{}", Needs::admin, get_key},
    {Method::patch, "/keys/{}", Needs::admin, patch_key},
    {Method::delete_, "/keys/{}", Needs::admin, delete_key},
    {Method::post, "/keys/{}/rotate", Needs::admin, rotate_key},

    {Method::get, "/healthz", Needs::nothing, get_healthz, Scoped::open},
    {Method::get, "/readyz", Needs::nothing, get_readyz, Scoped::open},
    {Method::get, "/metrics", Needs::viewer, get_metrics, Scoped::open},

    {Method::get, "/openapi.json", Needs::nothing, get_openapi_json, Scoped::open},
    {Method::get, "/openapi.yaml", Needs::nothing, get_openapi_yaml, Scoped::open},
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
