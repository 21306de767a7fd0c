// What a server or an image says reaches the user's terminal escaped, in each style.
#include "agent/report.hpp"

#include <gmock/gmock.h>

namespace ota::agent {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr auto kHostile = "\x1b]0;owned\x07\x1b[2J\r\nforged \xe2\x80\xae\xc2\x9b" "31m \xff";

/// One for each text that others may choose, alone: the bars cut long lines.
std::vector<Event> hostile(const std::string& name, std::uint64_t size = 1) {
  std::vector<Event> events;
  for (const auto text : {&Event::task_id, &Event::version, &Event::from_version, &Event::priority, &Event::detail}) {
    Event event;
    event.device = "gw";
    event.event = name;
    event.bytes = event.size = size;
    event.*text = kHostile;
    events.push_back(std::move(event));
  }
  return events;
}

/// `own`: sequences of the agent, which are taken out first.
void expect_harmless(std::string text, const std::vector<std::string>& own = {}) {
  for (const auto& sequence : own) {
    for (auto at = text.find(sequence); at != std::string::npos; at = text.find(sequence))
      text.erase(at, sequence.size());
  }
  for (const auto* part : {"\x1b", "\x07", "\r", "\nforged", "\xe2\x80\xae", "\xc2\x9b", "\xff"})
    EXPECT_THAT(text, Not(HasSubstr(part)));
}

std::string told(ReportStyle style, const Event& event) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  {
    const auto reporter = make_reporter(style, {"gw"});
    reporter->tell(event);
  }  // the bars are drawn once more
  const auto errors = testing::internal::GetCapturedStderr();
  return testing::internal::GetCapturedStdout() + errors;
}

TEST(Report, BarsEscapeWhatOthersSaid) {
  const std::vector<std::string> own{"\x1b[1A", "\r\x1b[2K"};
  for (const auto& event : hostile("chunk")) expect_harmless(told(ReportStyle::bar, event), own);
  for (const auto& event : hostile("failed", 0)) expect_harmless(told(ReportStyle::bar, event), own);
  EXPECT_THAT(told(ReportStyle::bar, hostile("failed").back()), HasSubstr("failed: \\x1b]0;owned"));
}

TEST(Report, PlainEscapesWhatOthersSaid) {
  for (const auto& event : hostile("failed")) expect_harmless(told(ReportStyle::plain, event));
  EXPECT_THAT(told(ReportStyle::plain, hostile("failed").back()), HasSubstr("(\\x1b]0;owned"));
}

TEST(Report, JsonEscapesWhatOthersSaid) {
  for (const auto& event : hostile("failed")) expect_harmless(told(ReportStyle::json, event));
  EXPECT_THAT(told(ReportStyle::json, hostile("failed").back()), HasSubstr("\\u001b]0;owned"));
}

}  // namespace
}  // namespace ota::agent
