#include "otactl/rollout_view.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "otactl/bars.hpp"
#include "otactl/buckets.hpp"
#include "otactl/format.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

constexpr std::size_t kReasonsShown = 5;
constexpr std::size_t kDevicesShown = 3;

Colour colour_of(const std::string& state) {
  if (state == "halted" || state == "cancelled" || state == "expired") return Colour::red;
  if (state == "completed") return Colour::green;
  return state == "running" ? Colour::bold : Colour::yellow;
}

std::string stage_line(const Call& call, const Json& rollout, std::size_t index) {
  const auto& style = call.terminal().style;
  const auto& stage = at(rollout, "/stages")[index];
  const auto width = bar_columns(call);
  const auto size = number_at(stage, "/to");
  const bool open = static_cast<std::int64_t>(index) + 1 == number_at(rollout, "/stage");
  const auto& buckets = at(rollout, "/buckets");
  // Its history has a point a minute: a stage that passed faster has at least those that are healthy now.
  const auto healthy = std::max(number_at(stage, "/healthy"), std::min(size, number_at(buckets, "/healthy")));
  const auto failed = number_at(stage, "/failed");
  const auto label = fmt::format("stage {:<2} ", index + 1);
  std::string drawn;
  std::string words;
  if (open) {
    drawn = bucket_bar(buckets, size, width, style);
    words = fmt::format(" {}/{}  {}", grouped(members_of(buckets)), grouped(size), bucket_words(buckets));
  } else if (at(stage, "/opened_at").is_string()) {
    drawn = bar({{healthy, "█", '#', Colour::green}, {failed, "✗", 'x', Colour::red}}, size, width, style);
    words = fmt::format(" {}/{}  passed {}", grouped(healthy), grouped(size),
                        as_time(at(stage, "/passed_at"), call.now()));
  } else {
    drawn = bar({}, 0, width, style);
    words = fmt::format(" {}", size > 0 ? "0/" + grouped(size) : as_text(at(stage, "/size"), {}));
    if (at(stage, "/skipped") == true) words = " skipped";
  }
  if (at(stage, "/approve") == true) words += "  (needs approval)";
  return label + drawn + fitted(call, words, label.size() + width);
}

std::string figures(const Call& call, const Json& rollout) {
  auto text = fmt::format("{} of {} eligible; at most {} harmed", grouped(number_at(rollout, "/eligible")),
                          counted(number_at(rollout, "/living"), "living device"),
                          grouped(number_at(rollout, "/budget")));
  if (at(rollout, "/room").is_number()) text += fmt::format(", room for {}", grouped(number_at(rollout, "/room")));
  if (const auto& rate = at(rollout, "/rate_per_h"); rate.is_number() && rate.get<double>() > 0)
    text += fmt::format("; {} an hour", rate.get<double>());
  if (at(rollout, "/eta").is_string()) text += ", ends about " + as_time(at(rollout, "/eta"), call.now());
  if (const auto silent = number_at(rollout, "/silent_since"); silent > 0)
    text += fmt::format("; {} not seen for a day", grouped(silent));
  return text;
}

void add_failures(const Call& call, const Json& rollout, std::vector<std::string>& lines) {
  std::size_t shown = 0;
  for (const auto& failure : at(rollout, "/failures")) {
    if (++shown > kReasonsShown) break;
    std::string devices;
    std::size_t named = 0;
    for (const auto& device : at(failure, "/devices"))
      if (++named <= kDevicesShown) devices += (devices.empty() ? "" : ", ") + as_text(device, {});
    lines.push_back(fitted(call, fmt::format("failed: {}, {} ({}{})", text_at(failure, "/reason"),
                                             counted(number_at(failure, "/count"), "device"), devices,
                                             named > kDevicesShown ? ", …" : "")));
  }
}

}  // namespace

std::string rollout_name(const Json& rollout) {
  auto name = fmt::format("{} to {}", text_at(rollout, "/version"), text_at(rollout, "/channel"));
  if (at(rollout, "/hardware").is_string()) name += ", hardware " + text_at(rollout, "/hardware");
  return name;
}

std::vector<std::string> rollout_lines(const Call& call, const Json& rollout) {
  const auto& style = call.terminal().style;
  const auto state = text_at(rollout, "/state");
  auto title = fmt::format("{}  {}", text_at(rollout, "/rollout_id"), state);
  if (at(rollout, "/reason").is_string()) title += ": " + text_at(rollout, "/reason");
  title += "  " + rollout_name(rollout);
  std::vector<std::string> lines{painted(style, colour_of(state), fitted(call, title))};
  for (std::size_t i = 0; i < at(rollout, "/stages").size(); ++i) lines.push_back(stage_line(call, rollout, i));
  if (const auto waits = text_at(rollout, "/waiting_for/text"); !waits.empty()) lines.push_back(fitted(call, waits));
  lines.push_back(fitted(call, figures(call, rollout)));
  add_failures(call, rollout, lines);
  return lines;
}

Look look_at_rollout(const Call& call, const Json& rollout) {
  Look look;
  look.lines = rollout_lines(call, rollout);
  const auto state = text_at(rollout, "/state");
  look.plain = fmt::format("{} {}", text_at(rollout, "/rollout_id"), state);
  if (at(rollout, "/reason").is_string()) look.plain += ": " + text_at(rollout, "/reason");
  look.plain += fmt::format(", stage {} of {}: {}", number_at(rollout, "/stage"), at(rollout, "/stages").size(),
                            bucket_words(at(rollout, "/buckets")));
  if (state == "completed") look.status = kDone;
  if (state == "halted" || state == "cancelled" || state == "expired" || state == "superseded") look.status = kBadEnd;
  return look;
}

int watch_rollout(Call& call, const std::string& id) {
  return watch(call, path_of({"rollouts", id}), look_at_rollout,
               fmt::format("the rollout goes on: otactl rollout status {} --watch", printable(id)));
}

}  // namespace ota::otactl
