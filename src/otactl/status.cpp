#include "otactl/status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "otactl/bars.hpp"
#include "otactl/buckets.hpp"
#include "otactl/format.hpp"
#include "otactl/output.hpp"
#include "otactl/rollout_view.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

constexpr std::size_t kVersionsShown = 12;

/// One line, as wide as the terminal.
void add_line(const Call& call, std::string& text, std::string line, Colour colour = Colour::none) {
  text += painted(call.terminal().style, colour, fitted(call, std::move(line))) + "\n";
}

/// What needs a person.
std::vector<std::string> needs(const Json& json) {
  std::vector<std::string> lines;
  for (const auto& [name, check] : at(json, "/health/checks").items())
    if (at(check, "/ok") != true || at(check, "/warning") == true)
      lines.push_back(fmt::format("{}: {}", printable(name), text_at(check, "/detail")));
  for (const auto& rollout : at(json, "/rollouts")) {
    const auto state = text_at(rollout, "/state");
    const auto id = text_at(rollout, "/rollout_id");
    if (state == "halted")
      lines.push_back(fmt::format("{} of {} halted: {}    otactl rollout status {}", id, text_at(rollout, "/version"),
                                  text_at(rollout, "/reason"), id));
    if (state == "waiting_approval")
      lines.push_back(fmt::format("{} of {} waits for approval    otactl rollout approve {}", id,
                                  text_at(rollout, "/version"), id));
    if (const auto overdue = number_at(rollout, "/buckets/overdue"); overdue > 0 && state != "halted")
      lines.push_back(fmt::format("{}: {} devices are overdue    otactl rollout devices {} --bucket overdue", id,
                                  grouped(overdue), id));
  }
  return lines;
}

void add_rollouts(const Call& call, std::string& text, const Json& json) {
  std::size_t shown = 0;
  for (const auto& rollout : at(json, "/rollouts")) {
    ++shown;
    const auto& buckets = at(rollout, "/buckets");
    const auto width = bar_columns(call);
    add_line(call, text, fmt::format("  {}  {}  {}", text_at(rollout, "/rollout_id"), text_at(rollout, "/state"),
                                     rollout_name(rollout)));
    text += "    " + bucket_bar(buckets, members_of(buckets), width, call.terminal().style) +
            fitted(call, "  " + bucket_words(buckets), width + 4) + "\n";
    if (const auto waits = text_at(rollout, "/waiting_for/text"); !waits.empty()) add_line(call, text, "    " + waits);
  }
  if (shown == 0) text += "  none is open\n";
}

void add_versions(const Call& call, std::string& text, const Json& json) {
  const auto total = std::max<std::int64_t>(number_at(json, "/devices/total"), 1);
  std::size_t shown = 0;
  for (const auto& one : at(json, "/versions")) {
    if (++shown > kVersionsShown && !call.wide()) break;
    const auto devices = number_at(one, "/devices");
    add_line(call, text,
             fmt::format("  {:<12} {:<10} {:<16} {:>9}  {}", text_at(one, "/channel"),
                         as_text(at(one, "/hardware"), {}),
                         at(one, "/version").is_null() ? "unknown" : text_at(one, "/version"), grouped(devices),
                         progress_bar(static_cast<std::uint64_t>(devices), static_cast<std::uint64_t>(total),
                                      bar_columns(call), call.terminal().style)));
  }
  if (shown > kVersionsShown && !call.wide()) text += "  more with -o wide\n";
}

std::string tasks_line(const Json& json) {
  std::string text;
  for (const auto& [state, count] : at(json, "/tasks").items()) {
    const bool ended = state == "succeeded" || state == "failed" || state == "cancelled" || state == "expired";
    if (!ended && count.is_number() && count.get<std::int64_t>() > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", grouped(count.get<std::int64_t>()), printable(state));
  }
  if (text.empty()) text = "none open";
  std::int64_t failed = 0;
  for (const auto& one : at(json, "/failures")) failed += number_at(one, "/count");
  if (failed > 0) {
    text += fmt::format("; {} failed in 24 h", grouped(failed));
    std::string reasons;
    for (const auto& one : at(json, "/failures"))
      reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", text_at(one, "/reason"),
                             grouped(number_at(one, "/count")));
    text += ": " + reasons;
  }
  return text;
}

std::string status_text(const Call& call, const Json& json, const std::string& name) {
  std::string text;
  const auto& style = call.terminal().style;
  const bool ready = text_at(json, "/health/status") == "ready";
  add_line(call, text, fmt::format("{}  {}", name, ready ? "ready" : "not ready"), ready ? Colour::bold : Colour::red);
  for (const auto& line : needs(json)) add_line(call, text, "! " + line, Colour::red);
  add_line(call, text,
           fmt::format("Devices   {}, {} online, {} living", grouped(number_at(json, "/devices/total")),
                       grouped(number_at(json, "/devices/online")), grouped(number_at(json, "/devices/living"))));
  add_line(call, text, "Updates   " + tasks_line(json));
  text += painted(style, Colour::bold, "Rollouts") + "\n";
  add_rollouts(call, text, json);
  if (!at(json, "/versions").empty()) text += painted(style, Colour::bold, "Versions") + "\n";
  add_versions(call, text, json);
  return text;
}

int show_status(Call& call) {
  const auto reply = call.client().get("/summary");
  const auto& server = call.client().server();
  const auto name = server.context.empty() ? server.url : server.context + " " + server.url;
  answer(call, reply, call.json() ? "" : status_text(call, reply.json(), printable(name)));
  return kDone;
}

}  // namespace

Verb status_verb() {
  return {"status", "Show what needs a person, what runs, and the versions of the devices", {}, show_status};
}

}  // namespace ota::otactl
