// Parsers of outside data, each as a function of any bytes. A broken promise ends the program.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

namespace ota::fuzz {

struct Target {
  std::string_view name;
  void (*run)(std::string_view bytes);
};

void device_message(std::string_view bytes);  ///< first byte: which word, 3 for chunk/get; then the payload
void device_topic(std::string_view bytes);    ///< topic, newline, payload
void device_http(std::string_view bytes);     ///< path, newline, query, newline, body
void device_latest(std::string_view bytes);   ///< query, newline, User-Agent
void download(std::string_view bytes);        ///< path, newline, query, newline, Accept
void http_request(std::string_view bytes);    ///< a connection's bytes; the first says in which pieces they come
void http_range(std::string_view bytes);      ///< size, newline, Range, newline, tags
void http_query(std::string_view bytes);      ///< a path or a query
void http_host(std::string_view bytes);       ///< a Host header, or what follows the scheme of an origin
void operator_body(std::string_view bytes);   ///< first byte: which call; then the body
void operator_query(std::string_view bytes);  ///< first byte: which call; then the query
void events(std::string_view bytes);          ///< first byte: which call of events or webhooks, 4 for a URL
void event_stream(std::string_view bytes);    ///< first byte: in which pieces otactl gets the stream that follows
void server_message(std::string_view bytes);  ///< a message to the agent; behind a NUL, a manifest
void ddi_body(std::string_view bytes);        ///< first byte: which call of hawkBit, 3 for a path; then the body
void settings(std::string_view bytes);        ///< a TOML file; behind a NUL, variables, one a line
void values(std::string_view bytes);          ///< two texts with a newline between: versions, ids, times, digests

inline constexpr Target kTargets[] = {
    {"device_message", device_message},
    {"device_topic", device_topic},
    {"device_http", device_http},
    {"device_latest", device_latest},
    {"download", download},
    {"http_request", http_request},
    {"http_range", http_range},
    {"http_query", http_query},
    {"http_host", http_host},
    {"operator_body", operator_body},
    {"operator_query", operator_query},
    {"events", events},
    {"event_stream", event_stream},
    {"server_message", server_message},
    {"ddi_body", ddi_body},
    {"settings", settings},
    {"values", values},
};

inline const Target* find_target(std::string_view name) {
  for (const auto& target : kTargets)
    if (target.name == name) return &target;
  return nullptr;
}

/// What must hold for every input.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

/// Cuts off up to the next newline, or all.
inline std::string_view line(std::string_view& bytes) {
  const auto end = bytes.find('\n');
  const auto first = bytes.substr(0, end);
  bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
  return first;
}

/// Cuts off the first byte; 0 where there is none.
inline unsigned char first_byte(std::string_view& bytes) {
  if (bytes.empty()) return 0;
  const auto byte = static_cast<unsigned char>(bytes.front());
  bytes.remove_prefix(1);
  return byte;
}

}  // namespace ota::fuzz
