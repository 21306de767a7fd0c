// The server's answers as tables, lines of fields, or unchanged.
#pragma once

#include <span>
#include <string>

#include "otactl/call.hpp"

namespace ota::otactl {

/// A value of an answer as text, printable. Null and what isn't there is "-".
using Form = std::string (*)(const Json& value, WallTime now);
std::string as_text(const Json& value, WallTime now);
/// `5 min`, of an RFC 3339 time.
std::string as_age(const Json& value, WallTime now);
std::string as_time(const Json& value, WallTime now);
std::string as_bytes(const Json& value, WallTime now);
std::string as_number(const Json& value, WallTime now);
/// `yes` or `-`
std::string as_mark(const Json& value, WallTime now);
/// `site=berlin rack=7`
std::string as_tags(const Json& value, WallTime now);
/// `a, b`
std::string as_words(const Json& value, WallTime now);

struct Column {
  const char* title;
  const char* pointer;  ///< into an item
  Form form = as_text;
  bool right = false;
  bool wide = false;  ///< only with -o wide
};

/// GET of a list, by `limit` and `cursor` of the call: one page unchanged with -o json, else a table of pages.
int list(Call& call, const std::string& path, Query query, std::span<const Column> columns);
/// The same with `where` and `sort`, and with `count` only the number.
int select(Call& call, const std::string& path, Query query, std::span<const Column> columns);
/// A table of these items.
std::string table_of(const Call& call, const Json& items, std::span<const Column> columns);

struct Field {
  const char* label;
  const char* pointer;
  Form form = as_text;
};
/// A line for each field that is there.
std::string lines_of(const Call& call, const Json& json, std::span<const Field> fields);

/// Columns of a bar: fewer on a narrow terminal.
std::size_t bar_columns(const Call& call);
/// Text without colours behind `drawn` columns, cut to the terminal.
std::string fitted(const Call& call, std::string text, std::size_t drawn = 0);

/// With -o json the body as it came, else `text`.
void answer(const Call& call, const Reply& reply, const std::string& text);

/// Answers an order that made `id`, and with --watch goes on to watch it: the exit status.
int answer_order(Call& call, const Reply& reply, const std::string& id, const std::string& text,
                 int (*watch)(Call& call, const std::string& id));

}  // namespace ota::otactl
