// otactl firmware: the catalogue.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "otactl/firmware_upload.hpp"
#include "otactl/format.hpp"
#include "otactl/nouns.hpp"
#include "otactl/output.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

constexpr auto kFirmwareVersion = argument("VERSION", "Version of the firmware", Completes::version);

std::string as_short_digest(const Json& value, WallTime now) {
  constexpr std::size_t kShown = 19;  // sha256: and 12 digits
  return as_text(value, now).substr(0, kShown);
}

constexpr Column kFirmwareColumns[] = {
    {"VERSION", "/version"},
    {"HARDWARE", "/hardware"},
    {"SIZE", "/size", as_bytes, true},
    {"SIGNED BY", "/signature/key_id"},
    {"SECURITY", "/security", as_mark},
    {"BLOCKED", "/blocked", as_mark},
    {"DAMAGED", "/damaged", as_mark},
    {"UPLOADED", "/created_at", as_age},
    {"ID", "/id", as_text, true, true},
    {"CHECKSUM", "/checksum", as_short_digest, false, true},
    {"NOTES", "/notes"},
};

constexpr Field kFirmwareFields[] = {
    {"version", "/version"},
    {"hardware", "/hardware"},
    {"size", "/size", as_bytes},
    {"checksum", "/checksum"},
    {"signed by", "/signature/key_id"},
    {"security", "/security", as_mark},
    {"blocked", "/blocked", as_mark},
    {"reason", "/blocked_reason"},
    {"damaged", "/damaged", as_mark},
    {"notes", "/notes"},
    {"id", "/id"},
    {"uploaded", "/created_at", as_time},
};

int list_firmware(Call& call) { return list(call, "/firmware", {}, kFirmwareColumns); }

/// The firmware that VERSION and --hardware mean. Failure where there is none, or several.
Json find_firmware(Call& call) {
  const auto version = call.argument("VERSION");
  const auto hardware = call.text("hardware");
  std::vector<Json> found;
  Query query{{"limit", "1000"}};
  Json next;
  do {
    const auto page = call.client().get("/firmware", query).json();
    for (const auto& one : at(page, "/items"))
      if (at(one, "/version") == version && (!hardware || as_text(at(one, "/hardware"), {}) == *hardware))
        found.push_back(one);
    next = at(page, "/next");
    if (next.is_string()) query = {{"limit", "1000"}, {"cursor", next.get<std::string>()}};
  } while (next.is_string());
  if (found.size() == 1) return std::move(found.front());
  if (found.empty())
    throw Failure(kRefused, fmt::format("there is no firmware {}{}; otactl firmware list shows what there is",
                                        printable(version), hardware ? " for " + printable(*hardware) : ""));
  std::set<std::string> types;
  for (const auto& one : found) types.insert(as_text(at(one, "/hardware"), {}));
  throw Failure(kUsage, fmt::format("firmware {} exists for several hardware types; choose by --hardware: {}",
                                    printable(version), fmt::join(types, ", ")));
}

std::string firmware_name(const Json& firmware) {
  return fmt::format("firmware {}{}", text_at(firmware, "/version"),
                     at(firmware, "/hardware").is_null() ? "" : " for " + text_at(firmware, "/hardware"));
}

std::string firmware_path(const Json& firmware) { return path_of({"firmware", at(firmware, "/id").dump()}); }

int show_firmware(Call& call) {
  const auto firmware = find_firmware(call);
  const auto reply = call.client().get(firmware_path(firmware));
  answer(call, reply, lines_of(call, reply.json(), kFirmwareFields));
  return kDone;
}

/// What a block or removal concerns: devices that run it, and open rollouts.
void note_use(Call& call, const Json& firmware) {
  Query query{{"count", "true"}, {"where", "version=" + at(firmware, "/version").get<std::string>()}};
  if (at(firmware, "/hardware").is_string())
    query.emplace_back("where", "hardware=" + at(firmware, "/hardware").get<std::string>());
  const auto runs = number_at(call.client().get("/devices", query).json(), "/count");
  std::string rollouts;
  const auto summary = call.client().get("/summary").json();
  for (const auto& one : at(summary, "/rollouts"))
    if (at(one, "/version") == at(firmware, "/version") &&
        (at(firmware, "/hardware").is_null() || at(one, "/hardware") == at(firmware, "/hardware")))
      rollouts += fmt::format(", {} ({})", text_at(one, "/rollout_id"), text_at(one, "/state"));
  write_note(fmt::format("{}: {} run it; open rollouts: {}", firmware_name(firmware), counted(runs, "device"),
                         rollouts.empty() ? "none" : rollouts.substr(2)));
}

int change_block(Call& call, const Json& firmware, const Json& body) {
  const auto reply = call.client().patch(firmware_path(firmware), body);
  answer(call, reply, fmt::format("{} is {}\n", firmware_name(firmware),
                                  at(body, "/blocked") == true ? "blocked: no device is offered it or ordered to "
                                                                 "install it, and its rollouts halt"
                                                               : "not blocked"));
  return kDone;
}

int block_firmware(Call& call) {
  const auto firmware = find_firmware(call);
  note_use(call, firmware);
  confirm(call.has("yes"), "Block it?", "nothing was blocked");
  Json body = {{"blocked", true}};
  if (const auto reason = call.text("reason")) body["reason"] = *reason;
  return change_block(call, firmware, body);
}

int unblock_firmware(Call& call) { return change_block(call, find_firmware(call), {{"blocked", false}}); }

int remove_firmware(Call& call) {
  const auto firmware = find_firmware(call);
  note_use(call, firmware);
  confirm(call.has("yes"), "Remove it?", "nothing was removed");
  const auto reply = call.client().remove(firmware_path(firmware));
  answer(call, reply, firmware_name(firmware) + " is removed\n");
  return kDone;
}

}  // namespace

Noun firmware_noun() {
  return {
      "firmware",
      "Firmware: the catalogue of images",
      {
          upload_verb(),
          {"list", "List firmware", {kLimit, kCursor}, list_firmware},
          {"show", "Show a firmware", {kFirmwareVersion, kHardware}, show_firmware},
          {"block", "The emergency brake: nobody is offered or installs it any more, and its rollouts halt",
           {kFirmwareVersion, kHardware, option("reason", "TEXT", "Why, for people"), kYes}, block_firmware},
          {"unblock", "End a block", {kFirmwareVersion, kHardware}, unblock_firmware},
          {"remove", "Remove a firmware that no task needs", {kFirmwareVersion, kHardware, kYes}, remove_firmware},
      }};
}

}  // namespace ota::otactl
