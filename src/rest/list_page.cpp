#include "rest/list_page.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <stdexcept>

#include "ota/base/text.hpp"
#include "ota/base/url.hpp"

namespace ota::rest {
namespace {

constexpr std::size_t kWorthCompressing = 1024;

/// `q` of an element of Accept or Accept-Encoding, 1 where it has none.
double quality(std::string_view parameters) {
  while (!parameters.empty()) {
    const auto one = trim(parameters.substr(0, parameters.find(';')));
    parameters.remove_prefix(std::min(parameters.find(';'), parameters.size() - 1) + 1);
    if (one.size() < 3 || to_lower(one[0]) != 'q' || one[1] != '=') continue;
    double q = 0;
    const auto [end, error] = std::from_chars(one.data() + 2, one.data() + one.size(), q);
    return error == std::errc{} && end == one.data() + one.size() ? q : 0;
  }
  return 1;
}

/// The quality of the first element of `list` that `fits`; nothing where none does.
template <class Fits>
std::optional<double> quality_of(std::string_view list, Fits fits) {
  while (!list.empty()) {
    const auto element = list.substr(0, list.find(','));
    list.remove_prefix(std::min(element.size() + 1, list.size()));
    const auto name = trim(element.substr(0, element.find(';')));
    if (!fits(name)) continue;
    return quality(element.substr(std::min(element.find(';'), element.size() - 1) + 1));
  }
  return std::nullopt;
}

std::string compressed(const std::string& text) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;  // the largest window, and gzip's frame
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("zlib has no memory");
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int done = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (done != Z_STREAM_END) throw std::runtime_error("zlib did not end a stream");
  return out;
}

std::string csv_text(const ListPage& page, CsvColumns columns) {
  std::string text;
  std::vector<Json> fields;
  for (const auto& column : columns) fields.emplace_back(column.name);
  append_csv(text, fields);
  for (const auto& item : page.items) {
    fields.clear();
    for (const auto& column : columns) fields.push_back(item.value(Json::json_pointer(column.pointer), Json()));
    append_csv(text, fields);
  }
  return text;
}

/// The query without its cursor.
std::string rest_of(std::string_view query) {
  std::string rest;
  while (!query.empty()) {
    const auto part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    if (!part.starts_with("cursor=")) rest += fmt::format("{}&", part);
  }
  return rest;
}

struct Written {
  std::string body;
  std::optional<std::string> next;
};

}  // namespace

bool prefers_csv(std::string_view accept) {
  const auto csv = quality_of(accept, [](auto name) { return iequals(name, "text/csv"); });
  const auto json = quality_of(accept, [](auto name) { return iequals(name, "application/json"); });
  return csv && *csv > 0 && (!json || *csv > *json || (*csv == *json && accept.find("csv") < accept.find("json")));
}

bool accepts_event_stream(std::string_view accept) {
  return quality_of(accept, [](auto name) { return iequals(name, "text/event-stream"); }).value_or(0) > 0;
}

bool accepts_gzip(std::string_view accept_encoding) {
  auto q = quality_of(accept_encoding, [](auto name) { return iequals(name, "gzip") || iequals(name, "x-gzip"); });
  if (!q) q = quality_of(accept_encoding, [](auto name) { return name == "*"; });
  return q.value_or(0) > 0;
}

void append_csv(std::string& text, std::span<const Json> fields) {
  bool first = true;
  for (const auto& field : fields) {
    if (!std::exchange(first, false)) text += ',';
    if (field.is_null()) continue;
    const auto value = field.is_string() ? field.get<std::string>() : field.dump();
    if (value.find_first_of(",\"\r\n") == std::string::npos) {
      text += value;
      continue;
    }
    text += '"';
    for (const char c : value) text += c == '"' ? std::string("\"\"") : std::string(1, c);
    text += '"';
  }
  text += "\r\n";
}

Answering read_list(Context& context, Call& call, CsvColumns columns,
                    std::function<Result<ListPage>(storage::ReadView&)> job) {
  const bool csv = prefers_csv(call.request.header("Accept"));
  const bool gzip = accepts_gzip(call.request.header("Accept-Encoding"));
  std::function<Result<Written>(storage::ReadView&)> write =
      [job = std::move(job), columns, csv, gzip](storage::ReadView& view) -> Result<Written> {
    auto page = job(view);
    if (!page) return page.error();
    auto text = csv ? csv_text(*page, columns) : to_text(list_json(std::move(page->items), page->next));
    return Written{gzip && text.size() >= kWorthCompressing ? compressed(text) : std::move(text), page->next};
  };
  auto written = co_await read<Written>(context.readers, std::move(write));
  if (!written) co_return written.error();
  auto reply = wire::json_reply(200, std::move(written->body));
  if (csv) reply.content_type = "text/csv; charset=utf-8";
  // The frame's first two bytes; no text begins so.
  if (reply.body.starts_with("\x1f\x8b")) reply.headers.push_back({"Content-Encoding", "gzip"});
  reply.headers.push_back({"Vary", "Accept, Accept-Encoding"});
  if (csv && written->next)
    reply.headers.push_back({"Link", fmt::format("<{}{}?{}cursor={}>; rel=\"next\"", context.options.public_path,
                                                 call.request.path(), rest_of(call.request.query()), *written->next)});
  co_return reply;
}

}  // namespace ota::rest
