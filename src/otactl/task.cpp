// otactl task and otactl upgrade: updates of single devices.
#include <fmt/format.h>

#include "otactl/format.hpp"
#include "otactl/nouns.hpp"
#include "otactl/output.hpp"
#include "otactl/show.hpp"
#include "otactl/task_view.hpp"
#include "otactl/upgrade.hpp"

namespace ota::otactl {
namespace {

constexpr auto kTaskId = argument("TASK", "Id of the task", Completes::task);

std::string as_percent(const Json& value, WallTime) { return value.is_number() ? value.dump() + " %" : "-"; }

constexpr Column kTaskColumns[] = {
    {"TASK", "/task_id"},
    {"DEVICE", "/device_id"},
    {"FROM", "/from_version"},
    {"TO", "/firmware_version"},
    {"STATE", "/state"},
    {"DONE", "/progress/percent", as_percent, true},
    {"PRIORITY", "/priority"},
    {"REASON", "/reason"},
    {"DETAIL", "/detail"},
    {"CREATED", "/created_at", as_age},
    {"BY", "/created_by", as_text, false, true},
    {"ATTEMPT", "/attempt", as_text, true, true},
    {"ENDED", "/ended_at", as_age, false, true},
};

constexpr Column kEntries[] = {
    {"AT", "/at", as_time},
    {"KIND", "/kind"},
    {"BY", "/by"},
    {"EVENT", "/event"},
    {"FROM", "/from"},
    {"TO", "/to"},
    {"BYTES", "/bytes", as_bytes, true},
    {"RATE/S", "/rate", as_bytes, true},
    {"OVER", "/transport"},
    {"REASON", "/reason"},
    {"DETAIL", "/detail"},
};

int list_tasks(Call& call) { return select(call, "/tasks", {}, kTaskColumns); }

int show_task(Call& call) {
  const auto reply = call.client().get(path_of({"tasks", call.argument("TASK")}));
  std::string text;
  if (!call.json())
    for (const auto& line : task_lines(call, reply.json())) text += line + "\n";
  answer(call, reply, text);
  return kDone;
}

int show_log(Call& call) {
  return list(call, path_of({"tasks", call.argument("TASK"), "log"}), {}, kEntries);
}

int watch_this(Call& call) { return watch_task(call, call.argument("TASK")); }

int cancel_task(Call& call) {
  const auto path = path_of({"tasks", call.argument("TASK")});
  const auto task = call.client().get(path).json();
  write_note(fmt::format("{}: {} to {}, {}, {} % arrived", text_at(task, "/task_id"), text_at(task, "/device_id"),
                         text_at(task, "/firmware_version"), text_at(task, "/state"),
                         number_at(task, "/progress/percent")));
  confirm(call.has("yes"), "Cancel it?", "nothing was cancelled");
  const auto reply = call.client().post(path + "/cancel");
  answer(call, reply, fmt::format("{}: {}\n", text_at(task, "/task_id"), text_at(reply.json(), "/state")));
  return kDone;
}

int retry_task(Call& call) {
  const auto reply = call.client().post(path_of({"tasks", call.argument("TASK"), "retry"}));
  const auto task = reply.json();
  answer(call, reply, fmt::format("{} is made: {} to {}\n", text_at(task, "/task_id"), text_at(task, "/device_id"),
                                  text_at(task, "/firmware_version")));
  return kDone;
}

int upgrade(Call& call) {
  (void)call.duration("timeout");
  Json order = {{"device_id", call.argument("DEVICE")}, {"firmware_version", call.argument("VERSION")}};
  if (const auto hardware = call.text("hardware")) order["hardware"] = *hardware;
  if (call.has("security")) order["priority"] = "security";
  if (call.has("force")) order["force"] = true;
  if (call.has("pin")) order["pin"] = true;
  const auto reply = call.client().post_once("/firmware/upgrade", order);
  const auto task = reply.json();
  const auto id = text_at(task, "/task_id");
  const auto said = fmt::format("{} {}: {} to {}, {}\n", id, reply.status == 200 ? "is open already" : "is made",
                                text_at(task, "/device_id"), text_at(task, "/firmware_version"),
                                text_at(task, "/status"));
  return answer_order(call, reply, id, said, watch_task);
}

}  // namespace

Noun task_noun() {
  return {
      "task",
      "Tasks: updates of single devices",
      {
          {"list", "List tasks, newest first",
           {kWhere, kSort, flag("count", "Print only how many there are"), kLimit, kCursor}, list_tasks},
          {"show", "Show a task, and why it is in its state", {kTaskId}, show_task},
          {"log", "Show its transfer log", {kTaskId, kLimit, kCursor}, show_log},
          {"cancel", "Cancel a task", {kTaskId, kYes}, cancel_task},
          {"retry", "Make a new task like one that failed, was cancelled or expired", {kTaskId}, retry_task},
          {"watch", "Show its progress until the end (exit status 3: a bad one)", {kTaskId, kTimeout}, watch_this},
      }};
}

Verb upgrade_verb() {
  return {"upgrade",
          "Update one device",
          {argument("DEVICE", "Id of the device", Completes::device),
           argument("VERSION", "Version of the firmware", Completes::version), kHardware,
           flag("security", "It goes before all others"), flag("force", "Allow a downgrade or a reinstall"),
           flag("pin", "From now on the device gets nothing from its channel"), kWatch, kTimeout},
          upgrade};
}

}  // namespace ota::otactl
