// Events as they happen: GET /events as a stream (docs/rest.md, Events).
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "otactl/client.hpp"
#include "otactl/event_parser.hpp"

namespace ota::otactl {

/// One connection. Not thread-safe.
class EventStream {
 public:
  /// `since`: the number of an event; only those behind it come. Empty: those from now on.
  EventStream(Client& client, Query query, const std::string& since);
  ~EventStream();
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  /// The events that came within `most`, or before a signal; returns with the first of them. Throws Unreachable when
  /// the connection ended, and Client::refusal() when the server answered with something else.
  std::vector<Event> next(std::chrono::milliseconds most);

 private:
  static std::size_t take(char* data, std::size_t, std::size_t size, void* self);
  void check_end();

  Client& client_;
  Request request_;
  std::string url_;
  curl::Headers headers_;
  curl::Handle handle_;
  curl::Multi multi_;
  EventParser parser_;
  std::vector<Event> events_;
  std::string other_;  ///< a body that is no stream
};

}  // namespace ota::otactl
