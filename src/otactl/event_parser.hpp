// text/event-stream (the WHATWG's HTML standard, 9.2), taken apart.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ota::otactl {

struct Event {
  std::string id;    ///< the last one that came, also of an event before
  std::string type;  ///< `event:`, empty without
  std::string data;
};

/// Bytes in, whole events out. What is longer than a megabyte without an end is dropped.
class EventParser {
 public:
  /// The events that these bytes complete.
  std::vector<Event> feed(std::string_view bytes);

 private:
  void take_line(std::string_view line, std::vector<Event>& events);

  std::string line_;
  Event event_;
  bool has_data_ = false;
};

}  // namespace ota::otactl
