#include "rest/list_page.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <stdexcept>

#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "ota/wire/accept.hpp"

namespace ota::rest {
namespace {

constexpr std::size_t kWorthCompressing = 1024;

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
  const bool csv = wire::prefers_csv(call.request.header("Accept"));
  const bool gzip = wire::accepts_gzip(call.request.header("Accept-Encoding"));
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
