// otactl rollout.
#include <fmt/format.h>

#include "ota/base/text.hpp"
#include "otactl/buckets.hpp"
#include "otactl/format.hpp"
#include "otactl/nouns.hpp"
#include "otactl/output.hpp"
#include "otactl/rollout_start.hpp"
#include "otactl/rollout_view.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

constexpr auto kRolloutId = argument("ROLLOUT", "Id of the rollout", Completes::rollout);

std::string as_buckets(const Json& value, WallTime) { return bucket_words(value); }
std::string as_stages(const Json& value, WallTime) {
  return fmt::format("{}/{}", number_at(value, "/stage"), at(value, "/stages").size());
}

constexpr Column kRolloutColumns[] = {
    {"ROLLOUT", "/rollout_id"},
    {"VERSION", "/version"},
    {"CHANNEL", "/channel"},
    {"HARDWARE", "/hardware"},
    {"STATE", "/state"},
    {"STAGE", "", as_stages},
    {"DEVICES", "/buckets", as_buckets},
    {"REASON", "/reason", as_text, false, true},
    {"REPLACES", "/replaces", as_text, false, true},
    {"BY", "/created_by", as_text, false, true},
    {"CREATED", "/created_at", as_age},
    {"ENDED", "/ended_at", as_age, false, true},
};

constexpr Column kMembers[] = {
    {"DEVICE", "/device_id"}, {"SINCE", "/since", as_age}, {"STATE", "/state"},    {"FROM", "/from_version"},
    {"TASK", "/task_id"},     {"REASON", "/reason"},       {"DETAIL", "/detail"},
};

constexpr Column kPoints[] = {
    {"AT", "/at", as_time},
    {"HEALTHY", "/buckets/healthy", as_number, true},
    {"FAILED", "/buckets/failed", as_number, true},
    {"OVERDUE", "/buckets/overdue", as_number, true},
    {"SOAKING", "/buckets/soaking", as_number, true},
    {"STAGED", "/buckets/staged", as_number, true},
    {"ASSIGNED", "/buckets/assigned", as_number, true},
    {"ABSENT", "/buckets/absent", as_number, true},
    {"UNDELIVERED", "/buckets/undelivered", as_number, true},
    {"DROPPED", "/buckets/dropped", as_number, true},
};

int list_rollouts(Call& call) {
  Query query;
  for (const auto* name : {"channel", "state"})
    if (const auto value = call.text(name)) query.emplace_back(name, *value);
  return list(call, "/rollouts", std::move(query), kRolloutColumns);
}

int show_rollout(Call& call) {
  (void)call.duration("timeout");
  const auto id = call.argument("ROLLOUT");
  if (call.has("watch")) return watch_rollout(call, id);
  const auto reply = call.client().get(path_of({"rollouts", id}));
  std::string text;
  if (!call.json()) {
    const auto rollout = reply.json();
    for (const auto& line : rollout_lines(call, rollout)) text += line + "\n";
    text += fmt::format("by {}, {} ago\n", as_text(at(rollout, "/created_by"), {}),
                        as_age(at(rollout, "/created_at"), call.now()));
    if (call.terminal().draws()) text += painted(call.terminal().style, Colour::faint,
                                                 bucket_legend(call.terminal().style)) + "\n";
  }
  answer(call, reply, text);
  return kDone;
}

int list_members(Call& call) {
  Query query{{"bucket", call.argument("bucket")}};
  if (const auto reason = call.text("reason")) query.emplace_back("reason", *reason);
  return list(call, path_of({"rollouts", call.argument("ROLLOUT"), "devices"}), std::move(query), kMembers);
}

int list_history(Call& call) {
  Query query;
  if (const auto step = call.duration("step")) query.emplace_back("step", std::to_string(step->count()));
  return list(call, path_of({"rollouts", call.argument("ROLLOUT"), "history"}), std::move(query), kPoints);
}

/// POST /rollouts/{id}/{verb}; prints its next state.
int order(Call& call, const char* verb, const Json& body = Json::object()) {
  const auto reply = call.client().post(path_of({"rollouts", call.argument("ROLLOUT"), verb}), body);
  const auto rollout = reply.json();
  auto text = fmt::format("{} of {}: {}\n", text_at(rollout, "/rollout_id"), rollout_name(rollout),
                          text_at(rollout, "/state"));
  answer(call, reply, text);
  return kDone;
}

int pause_rollout(Call& call) { return order(call, "pause"); }
int advance_rollout(Call& call) { return order(call, "advance"); }
int finish_rollout(Call& call) { return order(call, "finish"); }
int approve_rollout(Call& call) { return order(call, "approve"); }
int deny_rollout(Call& call) { return order(call, "deny"); }

int resume_rollout(Call& call) {
  auto body = Json::object();
  if (const auto most = call.text("max-failures")) {
    const auto number = parse_decimal<std::int64_t>(*most);
    body["max_failures"] = number ? Json(*number) : Json(*most);
  }
  return order(call, "resume", body);
}

int retry_rollout(Call& call) {
  auto body = Json::object();
  if (call.has("DEVICE")) body["devices"] = call.list("DEVICE");
  if (const auto reason = call.text("reason")) body["reason"] = *reason;
  return order(call, "retry", body);
}

/// What it has now, for the question.
Json note_rollout(Call& call) {
  auto rollout = call.client().get(path_of({"rollouts", call.argument("ROLLOUT")})).json();
  write_note(fmt::format("{}  {}  {}\n  {}", text_at(rollout, "/rollout_id"), rollout_name(rollout),
                         text_at(rollout, "/state"), bucket_words(at(rollout, "/buckets"))));
  return rollout;
}

int cancel_rollout(Call& call) {
  const auto rollout = note_rollout(call);
  const auto& buckets = at(rollout, "/buckets");
  const auto before = number_at(buckets, "/assigned") + number_at(buckets, "/absent") + number_at(buckets, "/staged");
  const auto past = number_at(buckets, "/soaking") + number_at(buckets, "/overdue");
  write_note(fmt::format("  {} will be cancelled; {} are installing and go on; updated devices stay as they are",
                         counted(before, "update"), grouped(past)));
  confirm(call.has("yes"), "Cancel it?", "nothing was cancelled");
  return order(call, "cancel");
}

int rollback_rollout(Call& call) {
  const auto rollout = note_rollout(call);
  auto body = Json::object();
  const auto to = call.text("to");
  if (to) body["version"] = *to;
  write_note(fmt::format("  it will be cancelled, and a rollout of {} made for devices that run {}",
                         to ? printable(*to) : as_text(at(rollout, "/replaces"), {}), text_at(rollout, "/version")));
  confirm(call.has("yes"), "Roll it back?", "nothing was rolled back");
  const auto reply = call.client().post(path_of({"rollouts", call.argument("ROLLOUT"), "rollback"}), body);
  const auto made = reply.json();
  const auto id = text_at(made, "/rollout_id");
  const auto said = fmt::format("{} of {} is made: {}\n", id, rollout_name(made), text_at(made, "/state"));
  return answer_order(call, reply, id, said, watch_rollout);
}

constexpr std::string_view kBucketNames = "assigned|absent|staged|soaking|overdue|healthy|failed|undelivered|dropped";

}  // namespace

Noun rollout_noun() {
  return {
      "rollout",
      "Rollouts: firmware for the devices of a channel, in stages",
      {
          rollout_start_verb(),
          {"list", "List rollouts, newest first",
           {option("channel", "CHANNEL", "Only of this channel", Completes::channel),
            option("state", "STATE", "Only in this state"), kLimit, kCursor},
           list_rollouts},
          {"status", "Show a rollout: stages, what it waits for, failures", {kRolloutId, kWatch, kTimeout},
           show_rollout},
          {"history", "Show its devices over time",
           {kRolloutId, option("step", "TIME", "One row for so much time (default: 1m)"), kLimit, kCursor},
           list_history},
          {"devices", "List its devices in a bucket, those longest there first",
           {kRolloutId, needed(choice("bucket", kBucketNames, "The bucket")),
            option("reason", "REASON", "Only those that failed for this reason"), kLimit, kCursor},
           list_members},
          {"pause", "Admit no device and let none install, until resume", {kRolloutId}, pause_rollout},
          {"resume", "Go on, also after a halt",
           {kRolloutId, option("max-failures", "N|N%", "The new failure budget; a halt needs a larger one")},
           resume_rollout},
          {"advance", "Count the open stage as passed", {kRolloutId}, advance_rollout},
          {"finish", "Make the version the target now", {kRolloutId}, finish_rollout},
          {"cancel", "End a rollout; updated devices stay as they are", {kRolloutId, kYes}, cancel_rollout},
          {"approve", "Approve a rollout of another person", {kRolloutId}, approve_rollout},
          {"deny", "Refuse approval, which ends the rollout", {kRolloutId}, deny_rollout},
          {"retry", "Start failed and undelivered devices over: all, those named, or those of one reason",
           {kRolloutId, Parameter{Parameter::Kind::arguments, "DEVICE", {}, "Ids of the devices", Completes::device},
            option("reason", "REASON", "Only those that failed for this reason")},
           retry_rollout},
          {"rollback", "Cancel a rollout and start one back to the version before it",
           {kRolloutId, option("to", "VERSION", "Back to this version instead", Completes::version), kYes, kWatch,
            kTimeout},
           rollback_rollout},
      }};
}

}  // namespace ota::otactl
