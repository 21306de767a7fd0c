#include "otactl/rollout_start.hpp"

#include <fmt/format.h>

#include "ota/base/text.hpp"
#include "otactl/format.hpp"
#include "otactl/output.hpp"
#include "otactl/rollout_view.hpp"
#include "otactl/show.hpp"
#include "otactl/windows.hpp"

namespace ota::otactl {
namespace {

/// `40` is a number of devices, `25%` and `canary` are texts.
Json share_of(std::string_view text) {
  if (const auto number = parse_decimal<std::int64_t>(text)) return *number;
  return std::string(text);
}

Json stages_of(std::string_view text) {
  auto stages = Json::array();
  for (const auto part : split(text, ',')) stages.push_back(share_of(trim(part)));
  return stages;
}

/// The options that were given, as fields of POST /rollouts; the server has defaults for all others.
Json order_of(const Call& call) {
  Json order = {{"channel", call.argument("CHANNEL")}, {"version", call.argument("VERSION")}};
  const auto put = [&](const char* option, const char* field) {
    if (const auto value = call.text(option)) order[field] = *value;
  };
  put("hardware", "hardware");
  put("priority", "priority");
  put("not-before", "not_before");
  put("expires-at", "expires_at");
  put("notes", "notes");
  if (const auto stages = call.text("stages")) order["stages"] = stages_of(*stages);
  if (const auto most = call.text("max-failures")) order["max_failures"] = share_of(*most);
  if (const auto most = call.number("max-soaking", 1)) order["max_soaking"] = *most;
  if (const auto soak = call.duration("soak")) order["soak_s"] = soak->count();
  if (const auto delay = call.duration("stage-delay")) order["stage_delay_s"] = delay->count();
  if (call.has("where")) order["where"] = call.list("where");
  if (call.has("only-from")) order["only_from"] = call.list("only-from");
  if (call.has("ignore-window")) order["ignore_window"] = true;
  if (call.has("force")) order["force"] = true;
  if (call.has("supersede")) order["supersede"] = true;
  return order;
}

/// The dry run's result.
std::string plan_text(const Json& plan) {
  auto text = rollout_name(plan) + "\n";
  text += fmt::format("  {} of {} get it", grouped(number_at(plan, "/eligible")),
                      counted(number_at(plan, "/living"), "living device"));
  std::string left_out;
  for (const auto& [why, count] : at(plan, "/left_out").items())
    if (count.is_number() && count.get<std::int64_t>() > 0)
      left_out += fmt::format("{}{} {}", left_out.empty() ? "" : ", ", grouped(count.get<std::int64_t>()),
                              why == "failed_before" ? "failed it before" : why == "same" ? "run it" : printable(why));
  text += left_out.empty() ? "\n" : fmt::format("; left out: {}\n", left_out);
  std::string stages;
  for (const auto& stage : at(plan, "/stages"))
    stages += fmt::format("{}{} ({})", stages.empty() ? "" : ", ", grouped(number_at(stage, "/to")),
                          as_text(at(stage, "/size"), {}));
  text += fmt::format("  in stages of {}; halts when {} failed\n", stages,
                      counted(number_at(plan, "/budget"), "device"));
  if (at(plan, "/replaces").is_object()) text += fmt::format("  replaces {}\n", text_at(plan, "/replaces/version"));
  if (!at(plan, "/windows").empty()) text += "  installs " + windows_text(at(plan, "/windows")) + "\n";
  for (const auto& warning : at(plan, "/warnings")) text += "! " + as_text(warning, {}) + "\n";
  return text;
}

int start_rollout(Call& call) {
  (void)call.duration("timeout");
  const auto order = order_of(call);
  const auto plan = call.client().post("/rollouts", order, {{"dry_run", "true"}});
  if (call.has("dry-run")) {
    answer(call, plan, call.json() ? "" : plan_text(plan.json()) + "Nothing was started (--dry-run)\n");
    return kDone;
  }
  const auto shown = plan_text(plan.json());
  write_note(std::string_view(shown).substr(0, shown.size() - 1));
  confirm(call.has("yes"), "Start it?", "nothing was started");
  const auto reply = call.client().post_once("/rollouts", order);
  const auto rollout = reply.json();
  const auto id = text_at(rollout, "/rollout_id");
  const auto said = fmt::format("{} {}: {}\n", id, reply.status == 200 ? "is open already" : "is made",
                                text_at(rollout, "/state"));
  return answer_order(call, reply, id, said, watch_rollout);
}

}  // namespace

Verb rollout_start_verb() {
  return {
      "start",
      "Bring a firmware to the devices of a channel, stage by stage",
      {
          argument("CHANNEL", "The channel", Completes::channel),
          argument("VERSION", "Version of the firmware", Completes::version),
          kHardware,
          option("stages", "STAGES",
                 "Sizes of the stages: canary, 25% or a number of devices, such as canary,10%,100%"),
          option("max-failures", "N|N%", "Failure budget: how many devices the firmware may harm before it halts"),
          option("max-soaking", "N", "At most so many devices at once between installation and proof"),
          option("soak", "TIME", "How long a device must run the version until it is proof, such as 30m"),
          option("stage-delay", "TIME", "Between a stage that is passed and the next"),
          kWhere,
          repeated("only-from", "VERSION", "Only devices that run this version; may be repeated"),
          choice("priority", "security|high|normal|low", "Priority of its updates"),
          option("not-before", "TIME", "Start then, RFC 3339 such as 2026-11-28T22:00:00Z"),
          option("expires-at", "TIME", "End then, RFC 3339"),
          flag("ignore-window", "Install outside the channel's maintenance window, too"),
          flag("force", "Also devices that run a newer version"),
          flag("supersede", "End the rollout that is open there first"),
          option("notes", "TEXT", "Notes for people"),
          flag("dry-run", "Only print what it would do"),
          kYes,
          kWatch,
          kTimeout,
      },
      start_rollout,
      "It prints the result of a dry run and asks before it starts."};
}

}  // namespace ota::otactl
