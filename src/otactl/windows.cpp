#include "otactl/windows.hpp"

#include <fmt/format.h>

#include <vector>

#include "ota/base/text.hpp"
#include "otactl/failure.hpp"
#include "otactl/terminal.hpp"

namespace ota::otactl {

Json parse_window(std::string_view text) {
  auto words = parts_of(text, ' ');
  Json window = Json::object();
  if (!words.empty() && !is_digit(words.front().front())) {
    window["days"] = parts_of(words.front(), ',');
    words.erase(words.begin());
  }
  const auto times = words.empty() ? std::vector<std::string>() : parts_of(words.front(), '-');
  if (times.size() != 2 || words.size() > 2)
    throw Failure(kUsage, fmt::format("a window looks like 'sat,sun 23:00-04:00 Europe/Berlin', not '{}'",
                                      printable(text)));
  window["from"] = times[0];
  window["to"] = times[1];
  if (words.size() == 2) window["timezone"] = words[1];
  return window;
}

std::string windows_text(const Json& windows) {
  std::string text;
  for (const auto& window : windows) {
    std::string days;
    for (const auto& day : at(window, "/days"))
      if (day.is_string()) days += (days.empty() ? "" : ", ") + printable(day.get<std::string>());
    text += fmt::format("{}{}{}{}-{} {}", text.empty() ? "" : "; ", days, days.empty() ? "" : " ",
                        text_at(window, "/from"), text_at(window, "/to"), text_at(window, "/timezone"));
  }
  return text;
}

}  // namespace ota::otactl
