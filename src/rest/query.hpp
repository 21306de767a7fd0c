// Query parameters of REST calls: strict, with paging by opaque cursors.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/base/url.hpp"
#include "ota/wire/json_fields.hpp"

namespace ota::rest {

/// One parsed query. As with wire::JsonFields: getters collect errors, `check()` returns them. Not thread-safe.
class QueryFields {
 public:
  /// Names that are not `known`, and names given twice, are errors by name; `repeatable`, one of `known`, may be given
  /// several times. Values must be UTF-8.
  static Result<QueryFields> parse(std::string_view query, std::initializer_list<std::string_view> known,
                                   std::string_view repeatable = {});

  std::optional<std::string> text(std::string_view name) const;
  /// All values of a repeatable one.
  std::vector<std::string> texts(std::string_view name) const;
  /// `true` or `false`.
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t min, std::int64_t max);

  wire::FieldErrors& errors() noexcept { return errors_; }
  /// Errc::malformed.
  Result<void> check() const;

 private:
  QueryItems items_;
  wire::FieldErrors errors_;
};

inline constexpr int kDefaultPage = 100;
inline constexpr int kLargestPage = 1000;

/// `limit` and `cursor` of a list.
struct Page {
  int limit = kDefaultPage;
  std::string after;  ///< the position in the cursor; empty: from the start
};

/// For a cursor that isn't one.
inline constexpr const char* kWrongCursor = "must be the value of \"next\" in an earlier response of this list";

/// Reads both; `list` names the list, so that a cursor of another one is refused.
Page page_of(QueryFields& query, std::string_view list);
/// The same for lists by number; 0 from the start.
struct NumberPage {
  int limit = kDefaultPage;
  std::int64_t after = 0;
};
NumberPage number_page_of(QueryFields& query, std::string_view list);

std::string cursor_of(std::string_view list, std::string_view last);

/// A decimal of 1 to 18 digits without leading zeros; nothing for anything else.
std::optional<std::int64_t> parse_number(std::string_view text);

}  // namespace ota::rest
