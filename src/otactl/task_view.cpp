#include "otactl/task_view.hpp"

#include <fmt/format.h>

#include "otactl/bars.hpp"
#include "otactl/format.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

constexpr std::size_t kStepsShown = 12;

std::uint64_t bytes_at(const Json& json, const char* pointer) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(number_at(json, pointer), 0));
}

std::string title_of(const Call& call, const Json& task) {
  return fmt::format("{}  {} {} {}  {}", text_at(task, "/device_id"), as_text(at(task, "/from_version"), {}),
                     call.terminal().style.utf8 ? "→" : "->", text_at(task, "/firmware_version"),
                     text_at(task, "/state"));
}

std::string bar_line(const Call& call, const Json& task) {
  const auto done = bytes_at(task, "/progress/bytes");
  const auto size = bytes_at(task, "/progress/size");
  auto words = fmt::format(" {:>3} %  {} of {}", number_at(task, "/progress/percent"), bytes_text(done),
                           bytes_text(size));
  if (const auto rate = bytes_at(task, "/progress/rate"); rate > 0) words += fmt::format("  {}/s", bytes_text(rate));
  if (at(task, "/progress/transport").is_string()) words += "  " + text_at(task, "/progress/transport");
  words += fmt::format("  attempt {}/{}", number_at(task, "/attempt"), number_at(task, "/max_attempts"));
  return progress_bar(done, size, bar_columns(call), call.terminal().style) +
         fitted(call, std::move(words), bar_columns(call));
}

/// The colour of an ended task.
Colour outcome_colour(const std::string& state) {
  if (state == "succeeded") return Colour::green;
  return state == "failed" || state == "cancelled" || state == "expired" ? Colour::red : Colour::bold;
}

std::string why(const Json& task) {
  auto text = text_at(task, "/reason");
  if (const auto detail = text_at(task, "/detail"); !detail.empty()) text += (text.empty() ? "" : ": ") + detail;
  return text;
}

}  // namespace

std::vector<std::string> task_lines(const Call& call, const Json& task) {
  const auto& style = call.terminal().style;
  std::vector<std::string> lines{
      painted(style, outcome_colour(text_at(task, "/state")), fitted(call, title_of(call, task))),
      bar_line(call, task), fitted(call, text_at(task, "/explanation"))};
  if (const auto reason = why(task); !reason.empty()) lines.push_back(fitted(call, reason));
  const auto& timeline = at(task, "/timeline");
  const auto skipped = timeline.size() > kStepsShown ? timeline.size() - kStepsShown : 0;
  for (std::size_t i = skipped; i < timeline.size(); ++i)
    lines.push_back(fitted(call, fmt::format("  {}  {:<12} {}", as_time(at(timeline[i], "/at"), call.now()),
                                             text_at(timeline[i], "/state"), why(timeline[i]))));
  lines.push_back(fitted(call, fmt::format("{}, priority {}, by {}", text_at(task, "/task_id"),
                                           text_at(task, "/priority"), as_text(at(task, "/created_by"), {}))));
  return lines;
}

Look look_at_task(const Call& call, const Json& task) {
  Look look;
  const auto state = text_at(task, "/state");
  look.lines = {painted(call.terminal().style, outcome_colour(state), fitted(call, title_of(call, task))),
                bar_line(call, task), fitted(call, text_at(task, "/explanation"))};
  look.plain = title_of(call, task);
  // Each tenth of a download is a line.
  if (state == "downloading") look.plain += fmt::format(" {} %", number_at(task, "/progress/percent") / 10 * 10);
  if (const auto reason = why(task); !reason.empty()) look.plain += ": " + reason;
  if (state == "succeeded") look.status = kDone;
  if (state == "failed" || state == "cancelled" || state == "expired") look.status = kBadEnd;
  return look;
}

int watch_task(Call& call, const std::string& id) {
  return watch(call, path_of({"tasks", id}), look_at_task,
               fmt::format("the task goes on: otactl task watch {}", printable(id)));
}

}  // namespace ota::otactl
