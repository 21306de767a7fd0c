#include "otactl/events.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <deque>

#include "ota/base/text.hpp"
#include "otactl/event_stream.hpp"
#include "otactl/format.hpp"
#include "otactl/interrupt.hpp"
#include "otactl/output.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kEventsShown = 50;
constexpr std::int64_t kLargestPage = 1000;
constexpr std::int64_t kLookedAt = 20'000;  ///< events at a time: what the server looks at for one page
constexpr auto kAgain = 3s;  ///< between connections
constexpr auto kStreamPatience = 5min;

Query filter_of(const Call& call) {
  Query query;
  if (const auto types = call.text("types")) query.emplace_back("types", *types);
  if (const auto channel = call.text("channel")) query.emplace_back("channel", *channel);
  if (const auto device = call.text("device")) query.emplace_back("device_id", *device);
  return query;
}

/// `otad.rollout.halted` as `rollout.halted`
std::string type_of(const Json& event) {
  auto type = text_at(event, "/type");
  constexpr std::string_view kPrefix = "otad.";
  return type.starts_with(kPrefix) ? type.substr(kPrefix.size()) : type;
}

/// `reason=budget_spent healthy=3`; what is nested is left out.
std::string data_of(const Json& event) {
  std::string text;
  if (!at(event, "/data").is_object()) return text;
  for (const auto& [name, value] : at(event, "/data").items())
    if (value.is_primitive() && !value.is_null())
      text += fmt::format("{}{}={}", text.empty() ? "" : " ", printable(name), as_text(value, {}));
  return text;
}

Colour colour_of_event(const std::string& type) {
  if (type.ends_with(".halted") || type.ends_with(".failed") || type.ends_with(".degraded") ||
      type.ends_with(".damaged"))
    return Colour::red;
  return type.ends_with(".completed") || type.ends_with(".succeeded") ? Colour::green : Colour::none;
}

/// Its line, without the end.
std::string line_of(const Call& call, const Json& event) {
  const auto type = type_of(event);
  const auto line = fmt::format("{}  {:<22} {}  {}", as_time(at(event, "/time"), call.now()), type,
                                as_text(at(event, "/subject"), {}), data_of(event));
  return painted(call.terminal().style, colour_of_event(type), fitted(call, line));
}

void show_event(const Call& call, const std::string& data) {
  if (call.json()) return write_out(data + "\n");
  const auto event = Json::parse(data, nullptr, false);
  if (event.is_object()) write_out(line_of(call, event) + "\n");
}

/// Until a signal comes. Events since the last one that was shown are not lost with a connection.
int follow(Call& call, std::string since) {
  const CatchInterrupts catching;
  auto heard = std::chrono::steady_clock::now();
  bool lost = false;
  while (!interrupted()) {
    try {
      EventStream stream(call.client(), filter_of(call), since);
      while (!interrupted()) {
        for (const auto& event : stream.next(1s)) {
          if (!event.id.empty()) since = event.id;
          show_event(call, event.data);
        }
        heard = std::chrono::steady_clock::now();
      }
    } catch (const Unreachable& gone) {
      if (std::chrono::steady_clock::now() - heard > kStreamPatience) throw;
      if (!std::exchange(lost, true)) write_note(std::string(gone.what()) + "; trying again");
      sleep_until(std::chrono::steady_clock::now() + kAgain);
    }
  }
  throw Failure(kInterrupted, "interrupted");
}

Query page_of(const Call& call, std::int64_t since, std::int64_t limit) {
  auto query = filter_of(call);
  query.emplace_back("since", std::to_string(since));
  query.emplace_back("limit", std::to_string(std::min(limit, kLargestPage)));
  return query;
}

/// Lines of the last `most` events, oldest first: looks for them from the newest back.
std::string newest_lines(Call& call, std::int64_t most) {
  const auto edges = call.client().get("/events", {{"limit", "1"}}).json();
  const auto before_all = std::max<std::int64_t>(number_at(edges, "/oldest") - 1, 0);
  std::deque<std::string> lines;
  for (auto end = number_at(edges, "/newest"); end > before_all && std::ssize(lines) < most;) {
    const auto begin = std::max(end - kLookedAt, before_all);
    std::vector<std::string> found;
    for (auto from = begin; from < end;) {
      const auto page = call.client().get("/events", page_of(call, from, kLargestPage)).json();
      for (const auto& event : at(page, "/items"))
        if (parse_decimal<std::int64_t>(text_at(event, "/id")).value_or(0) <= end)
          found.push_back(line_of(call, event) + "\n");
      from = std::max(from + 1, number_at(page, "/next"));
    }
    lines.insert(lines.begin(), found.begin(), found.end());
    end = begin;
  }
  if (std::ssize(lines) > most) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(most));
  return fmt::format("{}", fmt::join(lines, ""));
}

int show_events(Call& call) {
  const auto since = call.number("since", 0);
  if (call.has("follow")) return follow(call, since ? std::to_string(*since) : "");
  const auto most = call.number("limit", 1).value_or(kEventsShown);
  if (!since && !call.json()) {
    write_out(newest_lines(call, most));
    return kDone;
  }
  const auto reply = call.client().get("/events", page_of(call, since.value_or(0), most));
  std::string text;
  const auto json = reply.json();
  if (!call.json())
    for (const auto& event : at(json, "/items")) text += line_of(call, event) + "\n";
  answer(call, reply, text);
  return kDone;
}

}  // namespace

Verb events_verb() {
  return {"events",
          "Show what happened, or what happens",
          {with_letter(flag("follow", "Show events as they happen, until interrupted"), 'f'),
           option("types", "TYPES", "Only these types, such as rollout.*,task.failed"),
           option("channel", "CHANNEL", "Only of this channel", Completes::channel),
           option("device", "DEVICE", "Only of this device", Completes::device),
           option("since", "NUMBER", "Only events behind the one of this number"),
           option("limit", "N", "At most so many: the newest, or with --since the next (default: 50)")},
          show_events};
}

}  // namespace ota::otactl
