#include "otactl/event_parser.hpp"

#include <utility>

namespace ota::otactl {
namespace {

constexpr std::size_t kLongestEvent = 1 << 20;

}  // namespace

std::vector<Event> EventParser::feed(std::string_view bytes) {
  std::vector<Event> events;
  for (const char c : bytes) {
    if (c == '\r') continue;  // CRLF; a lone CR ends no line of this server
    if (c != '\n') {
      if (line_.size() < kLongestEvent) line_ += c;
      continue;
    }
    take_line(line_, events);
    line_.clear();
  }
  return events;
}

void EventParser::take_line(std::string_view line, std::vector<Event>& events) {
  if (line.empty()) {
    if (has_data_) events.push_back(event_);
    event_.type.clear();
    event_.data.clear();
    has_data_ = false;
    return;
  }
  const auto colon = line.find(':');
  const auto field = line.substr(0, colon);
  auto value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "id") event_.id = value;
  if (field == "event") event_.type = value;
  if (field != "data" || event_.data.size() > kLongestEvent) return;
  if (std::exchange(has_data_, true)) event_.data += '\n';
  event_.data += value;
}

}  // namespace ota::otactl
