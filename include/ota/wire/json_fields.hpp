// A strict reader of JSON objects from outside: bounded, no duplicate keys, typed getters that collect what is wrong.
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
  std::size_t max_depth = 8;        ///< of arrays and objects inside one another
  std::size_t max_values = 20'000;  ///< of every kind, all levels together
  /// What devices send (protocol.md, request): a field that is null, or an empty text, list or object, counts as
  /// missing, and zeros behind the JSON are passed over.
  bool lenient = false;
};

/// What is said of a name that is none of `known`: the one that was meant, and which there are.
std::string unknown_name(std::string_view name, std::span<const std::string_view> known);

/// The same of a word.
std::string unknown_word(std::string_view word, std::span<const std::string_view> known);

/// What is wrong with one input, field by field; kept up to a bound, counted beyond it.
class FieldErrors {
 public:
  void add(std::string_view field, std::string message);
  bool empty() const noexcept { return errors_.empty(); }
  /// All in one: the message names each field, `fields` has them one by one.
  Error to_error(Errc code) const;

 private:
  std::vector<FieldError> errors_;
  std::size_t more_ = 0;
};

/// One parsed object. A getter answers nothing where the field is missing, or where it is of another type (`null` is
/// one) or breaks the rule; in the second case it adds to `errors()`. After the last getter, `check()` says whether all
/// was right. Not thread-safe.
class JsonFields {
 public:
  /// The text as one JSON object (RFC 8259): valid UTF-8, no duplicate keys, within the limits. The error has `code`
  /// and says where it broke, without quoting the text.
  static Result<JsonFields> parse(std::string_view text, Errc code, const JsonLimits& limits = {});

  JsonFields(JsonFields&&) noexcept;
  JsonFields& operator=(JsonFields&&) noexcept;
  ~JsonFields();

  bool has(std::string_view name) const;
  bool is_null(std::string_view name) const;

  std::optional<std::string> text(std::string_view name, std::size_t max_bytes);
  /// What only informs is never wrong: a text cut to `max_bytes` at a character's end, anything else as its JSON.
  std::optional<std::string> note(std::string_view name, std::size_t max_bytes) const;
  /// The same for a figure: nothing where it is none from `min` to `max`.
  std::optional<double> figure(std::string_view name, double min, double max) const;
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t min, std::int64_t max);
  std::optional<double> number(std::string_view name, double min, double max);
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::vector<std::string>> texts(std::string_view name, std::size_t max_items, std::size_t max_bytes);
  using TextMap = std::map<std::string, std::optional<std::string>>;
  /// An object whose values are texts, or null.
  std::optional<TextMap> text_map(std::string_view name, std::size_t max_items, std::size_t max_key_bytes,
                                  std::size_t max_bytes);
  /// `[[first, last], …]`, inclusive, first <= last. Indexes from kMaxChunks on are Errc::bad_chunk_range.
  std::optional<ChunkRanges> ranges(std::string_view name, std::size_t min_items, std::size_t max_items);
  /// One chunk's index; from kMaxChunks on it is Errc::bad_chunk_range.
  std::optional<std::uint32_t> chunk(std::string_view name);

  /// Adds an error where the field is missing.
  void require(std::string_view name);
  /// Operators' mode: adds an error for each field that is none of `known`.
  void refuse_unknown(std::initializer_list<std::string_view> known);

  FieldErrors& errors() noexcept { return errors_; }
  /// The collected errors as one with `code` (or Errc::bad_chunk_range where that alone is wrong).
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
