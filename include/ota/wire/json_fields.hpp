// A strict reader of external JSON objects: bounded, no duplicate keys, typed getters that collect errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/domain/chunks.hpp"

namespace ota::wire {

struct JsonLimits {
  std::size_t max_bytes = 64 * 1024;
  std::size_t max_depth = 8;        ///< of nested arrays and objects
  std::size_t max_values = 20'000;  ///< of all types and levels together
  /// For messages of devices (docs/device-protocol.md, request): a field that is null, or an empty text, list or
  /// object, counts as missing, zero bytes after the JSON are ignored, and strings needn't be escaped (mend_strings()).
  bool lenient = false;
};

/// The error message about an unknown field: a suggestion and the known names.
std::string unknown_name(std::string_view name, std::span<const std::string_view> known);

/// The same for an unknown value.
std::string unknown_word(std::string_view word, std::span<const std::string_view> known);

/// The errors of one input by field; stored up to a limit, beyond it only counted.
class FieldErrors {
 public:
  void add(std::string_view field, std::string message);
  /// Those of an object that is the value of `field`: `field.name`.
  void add_nested(std::string_view field, const FieldErrors& inside);
  bool empty() const noexcept { return errors_.empty(); }
  /// One error with all of them: its message names each field, `fields` has them one by one.
  Error to_error(Errc code) const;

 private:
  std::vector<FieldError> errors_;
  std::size_t more_ = 0;
};

/// One parsed object. A getter returns nothing if the field is missing, has another type (`null` is one) or breaks the
/// rule; in the latter two cases it adds to `errors()`. Call `check()` after the last getter to get the errors. Not
/// thread-safe.
class JsonFields {
 public:
  /// The text as one JSON object (RFC 8259): valid UTF-8, no duplicate keys, within the limits. The error has `code`
  /// and the position, but doesn't quote the text.
  static Result<JsonFields> parse(std::string_view text, Errc code, const JsonLimits& limits = {});

  JsonFields(JsonFields&&) noexcept;
  JsonFields& operator=(JsonFields&&) noexcept;
  ~JsonFields();

  bool has(std::string_view name) const;
  bool is_null(std::string_view name) const;

  std::optional<std::string> text(std::string_view name, std::size_t max_bytes);
  /// For informational fields, never an error: a text cut to `max_bytes` at a character's boundary, other types as
  /// JSON.
  std::optional<std::string> note(std::string_view name, std::size_t max_bytes) const;
  /// The same for a list of texts, or one text: at most `max_items`, other items as JSON.
  std::vector<std::string> notes(std::string_view name, std::size_t max_items, std::size_t max_bytes) const;
  /// The same for a number: nothing if it isn't one from `min` to `max`.
  std::optional<double> noted_number(std::string_view name, double min, double max) const;
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t min, std::int64_t max);
  std::optional<double> number(std::string_view name, double min, double max);
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::vector<std::string>> texts(std::string_view name, std::size_t max_items, std::size_t max_bytes);
  using TextMap = std::map<std::string, std::optional<std::string>>;
  /// An object whose values are texts, or null.
  std::optional<TextMap> text_map(std::string_view name, std::size_t max_items, std::size_t max_key_bytes,
                                  std::size_t max_bytes);
  /// A list of objects, or one object for a list of one. With `short_for`, an item that is a string or a number stands for
  /// the object that has it as that field.
  std::optional<std::vector<JsonFields>> objects(std::string_view name, std::size_t max_items,
                                                 std::string_view short_for = {});
  /// `[[first, last], …]`, inclusive, first <= last. Indexes from kMaxChunks on are Errc::bad_chunk_range.
  std::optional<ChunkRanges> ranges(std::string_view name, std::size_t min_items, std::size_t max_items);
  /// One chunk's index; from kMaxChunks on it is Errc::bad_chunk_range.
  std::optional<std::uint32_t> chunk(std::string_view name);

  /// Adds an error if the field is missing.
  void require(std::string_view name);
  /// For REST requests: adds an error for each field that is not in `known`.
  void refuse_unknown(std::initializer_list<std::string_view> known);

  FieldErrors& errors() noexcept { return errors_; }
  /// The collected errors as one with `code` (or Errc::bad_chunk_range if that is the only one).
  Result<void> check(Errc code) const;

 private:
  JsonFields(std::unique_ptr<nlohmann::json> object, bool lenient);
  const nlohmann::json* find(std::string_view name) const;

  std::unique_ptr<nlohmann::json> object_;
  bool lenient_;
  FieldErrors errors_;
  FieldErrors out_of_grid_;
};

}  // namespace ota::wire
