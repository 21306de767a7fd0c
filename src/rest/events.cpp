// GET /events: the event log, as JSON or live (docs/events.md).
#include <fmt/format.h>

#include "ota/base/text.hpp"
#include "ota/domain/ids.hpp"
#include "ota/events/cloud_event.hpp"
#include "ota/wire/accept.hpp"
#include "rest/event_types.hpp"
#include "rest/handlers.hpp"
#include "rest/query.hpp"

namespace ota::rest {
namespace {

constexpr const char* kNumberRule = "must be the number of an event (its id), or 0";

EventFilter filter_of(QueryFields& query) {
  EventFilter filter;
  if (const auto types = query.text("types")) {
    const auto parts = split(*types, ',');
    filter.types = event_types_of({parts.begin(), parts.end()}, "types", query.errors());
  }
  filter.channel = query.text("channel").value_or("");
  if (!filter.channel.empty() && !valid_channel(filter.channel))
    query.errors().add("channel", "must be 1 to 64 of a-z 0-9 _ -");
  filter.device = query.text("device_id").value_or("");
  if (!filter.device.empty() && !DeviceId::parse(filter.device)) query.errors().add("device_id", kDeviceIdRule);
  return filter;
}

/// What a browser sends when it comes again goes before what the URL said at first.
std::optional<std::int64_t> since_of(QueryFields& query, const Call& call, bool live) {
  const auto last = live ? call.request.header("Last-Event-ID") : std::string_view();
  const auto given = last.empty() ? query.text("since") : std::optional{std::string(last)};
  if (!given) return std::nullopt;
  const auto number = parse_number(*given);
  if (!number) query.errors().add(last.empty() ? "since" : "Last-Event-ID", kNumberRule);
  return number;
}

std::string page_text(const storage::EventPage& page, std::int64_t oldest, std::int64_t newest,
                      const std::string& source) {
  std::string text = R"({"items":[)";
  for (const auto& event : page.events) {
    if (text.back() != '[') text += ',';
    text += events::cloud_event(event, source);
  }
  return text + fmt::format(R"(],"next":{},"oldest":{},"newest":{}}})", page.last, oldest, newest);
}

Answering events_page(Context& context, EventFilter filter, std::int64_t since, int limit) {
  std::function<Result<std::string>(storage::ReadView&)> job =
      [filter = std::move(filter), since, limit, source = context.feed.source()](auto& view) -> Result<std::string> {
    const auto newest = view.events.newest();
    if (since > newest)
      return field_error("since", fmt::format("is above {}, the newest event: it is of another database", newest));
    return page_text(view.events.list(filter, since, limit), view.events.oldest(), newest, source);
  };
  auto text = co_await read<std::string>(context.readers, std::move(job));
  if (!text) co_return text.error();
  auto reply = wire::json_reply(200, std::move(*text));
  reply.headers.push_back({"Vary", "Accept"});
  co_return reply;
}

}  // namespace

Answering list_events(Context& context, Call& call) {
  const bool live = wire::accepts_event_stream(call.request.header("Accept"));
  auto query = QueryFields::parse(call.request.query(), {"since", "types", "channel", "device_id", "limit"});
  if (!query) co_return query.error();
  auto filter = filter_of(*query);
  const auto since = since_of(*query, call, live);
  const auto limit = query->integer("limit", 1, kLargestPage);
  if (limit && live) query->errors().add("limit", "is for JSON: a stream has no end");
  if (auto checked = query->check(); !checked) co_return checked.error();
  if (live) co_return context.feed.open(std::move(filter), since);
  const auto most = static_cast<int>(limit.value_or(kDefaultPage));
  auto paging = events_page(context, std::move(filter), since.value_or(0), most);
  co_return co_await std::move(paging);
}

}  // namespace ota::rest
