#include "ota/wire/json_fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "ota/base/text.hpp"
#include "wire/json_parse.hpp"

namespace ota::wire {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxFieldErrors = 16;
constexpr auto kAnyIndex = std::int64_t{1} << 53;

std::string element(std::string_view name, std::size_t index) { return fmt::format("{}[{}]", name, index); }

/// The value if it is an integer within the range. 1.0 and 1e3 don't count as integers.
std::optional<std::int64_t> as_integer(const json& value, std::int64_t min, std::int64_t max) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (max < 0 || number > static_cast<std::uint64_t>(max)) return std::nullopt;
    const auto small = static_cast<std::int64_t>(number);
    return small >= min ? std::optional(small) : std::nullopt;
  }
  if (!value.is_number_integer()) return std::nullopt;
  const auto number = value.get<std::int64_t>();
  return number >= min && number <= max ? std::optional(number) : std::nullopt;
}

std::string meant(std::string_view word, std::span<const std::string_view> known) {
  const auto found = closest(word, known);
  return found.empty() ? std::string() : fmt::format(" (did you mean {}?)", found);
}

std::string past_any_grid() { return fmt::format("goes past {}, the last chunk that a task can have", kMaxChunks - 1); }

}  // namespace

std::string unknown_name(std::string_view name, std::span<const std::string_view> known) {
  if (known.empty()) return "is unknown; no fields are accepted";
  return fmt::format("is unknown{}; known are {}", meant(name, known), fmt::join(known, ", "));
}

std::string unknown_word(std::string_view word, std::span<const std::string_view> known) {
  return fmt::format("must be one of {}{}", fmt::join(known, ", "), meant(word, known));
}

void FieldErrors::add(std::string_view field, std::string message) {
  if (errors_.size() < kMaxFieldErrors)
    errors_.push_back({shorten(field), std::move(message)});
  else
    ++more_;
}

void FieldErrors::add_nested(std::string_view field, const FieldErrors& inside) {
  for (const auto& error : inside.errors_) add(fmt::format("{}.{}", field, error.field), error.message);
  more_ += inside.more_;
}

Error FieldErrors::to_error(Errc code) const {
  Error error{code, {}, errors_};
  for (const auto& [field, message] : errors_) {
    if (!error.message.empty()) error.message += "; ";
    error.message += fmt::format("\"{}\" {}", field, message);
  }
  if (more_ > 0) error.message += fmt::format("; and {} more", more_);
  return error;
}

Result<JsonFields> JsonFields::parse(std::string_view text, Errc code, const JsonLimits& limits) {
  auto value = parse_json(text, code, limits);
  if (!value) return value.error();
  if (!(*value)->is_object()) return fail(code, "the message must be a JSON object");
  return JsonFields(std::move(*value), limits.lenient);
}

JsonFields::JsonFields(std::unique_ptr<json> object, bool lenient) : object_(std::move(object)), lenient_(lenient) {}
JsonFields::JsonFields(JsonFields&&) noexcept = default;
JsonFields& JsonFields::operator=(JsonFields&&) noexcept = default;
JsonFields::~JsonFields() = default;

const json* JsonFields::find(std::string_view name) const {
  const auto at = object_->find(name);
  if (at == object_->end()) return nullptr;
  const bool blank = at->empty() || (at->is_string() && at->get_ref<const std::string&>().empty());
  return lenient_ && blank ? nullptr : &*at;
}

bool JsonFields::has(std::string_view name) const { return find(name) != nullptr; }

bool JsonFields::is_null(std::string_view name) const {
  const json* value = find(name);
  return value && value->is_null();
}

std::optional<std::string> JsonFields::text(std::string_view name, std::size_t max_bytes) {
  const json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) {
    errors_.add(name, "must be a string");
    return std::nullopt;
  }
  const auto& found = value->get_ref<const std::string&>();
  if (found.size() > max_bytes) {
    errors_.add(name, fmt::format("must have at most {} bytes", max_bytes));
    return std::nullopt;
  }
  return found;
}

std::optional<std::string> JsonFields::note(std::string_view name, std::size_t max_bytes) const {
  const json* value = find(name);
  if (!value) return std::nullopt;
  const auto text = value->is_string() ? value->get<std::string>() : value->dump();
  return std::string(utf8_prefix(text, max_bytes));
}

std::vector<std::string> JsonFields::notes(std::string_view name, std::size_t max_items, std::size_t max_bytes) const {
  const json* value = find(name);
  if (!value) return {};
  std::vector<std::string> found;
  const auto add = [&](const json& item) {
    const auto text = item.is_string() ? item.get<std::string>() : item.dump();
    if (found.size() < max_items) found.emplace_back(utf8_prefix(text, max_bytes));
  };
  if (value->is_array())
    for (const auto& item : *value) add(item);
  else
    add(*value);
  return found;
}

std::optional<double> JsonFields::noted_number(std::string_view name, double min, double max) const {
  const json* value = find(name);
  if (!value || !value->is_number()) return std::nullopt;
  const auto number = value->get<double>();
  return number >= min && number <= max ? std::optional(number) : std::nullopt;
}

std::optional<std::int64_t> JsonFields::integer(std::string_view name, std::int64_t min, std::int64_t max) {
  const json* value = find(name);
  if (!value) return std::nullopt;
  const auto number = as_integer(*value, min, max);
  if (!number) errors_.add(name, fmt::format("must be an integer from {} to {}", min, max));
  return number;
}

std::optional<double> JsonFields::number(std::string_view name, double min, double max) {
  const json* value = find(name);
  if (!value) return std::nullopt;
  const double number = value->is_number() ? value->get<double>() : 0;
  if (value->is_number() && number >= min && number <= max) return number;
  errors_.add(name, fmt::format("must be a number from {} to {}", min, max));
  return std::nullopt;
}

std::optional<bool> JsonFields::boolean(std::string_view name) {
  const json* value = find(name);
  if (!value) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  errors_.add(name, "must be true or false");
  return std::nullopt;
}

std::optional<std::vector<std::string>> JsonFields::texts(std::string_view name, std::size_t max_items,
                                                          std::size_t max_bytes) {
  const json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_array() || value->size() > max_items) {
    errors_.add(name, fmt::format("must be a list of at most {} strings", max_items));
    return std::nullopt;
  }
  std::vector<std::string> found;
  for (std::size_t i = 0; i < value->size(); ++i) {
    const json& item = (*value)[i];
    if (!item.is_string() || item.get_ref<const std::string&>().size() > max_bytes) {
      errors_.add(element(name, i), fmt::format("must be a string of at most {} bytes", max_bytes));
      return std::nullopt;
    }
    found.push_back(item.get<std::string>());
  }
  return found;
}

std::optional<JsonFields::TextMap> JsonFields::text_map(std::string_view name, std::size_t max_items,
                                                        std::size_t max_key_bytes, std::size_t max_bytes) {
  const json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_object() || value->size() > max_items) {
    errors_.add(name, fmt::format("must be an object of at most {} strings", max_items));
    return std::nullopt;
  }
  TextMap found;
  for (const auto& [key, item] : value->items()) {
    if (key.empty() || key.size() > max_key_bytes) {
      errors_.add(fmt::format("{}.{}", name, key), fmt::format("must have a name of 1 to {} bytes", max_key_bytes));
      return std::nullopt;
    }
    if (item.is_null()) {
      found.emplace(key, std::nullopt);
      continue;
    }
    if (!item.is_string() || item.get_ref<const std::string&>().size() > max_bytes) {
      errors_.add(fmt::format("{}.{}", name, key), fmt::format("must be a string of at most {} bytes", max_bytes));
      return std::nullopt;
    }
    found.emplace(key, item.get<std::string>());
  }
  return found;
}

std::optional<std::vector<JsonFields>> JsonFields::objects(std::string_view name, std::size_t max_items,
                                                           std::string_view short_for) {
  const json* value = find(name);
  if (!value) return std::nullopt;
  const bool one = !value->is_array();
  const auto count = one ? 1 : value->size();
  if (count > max_items) {
    errors_.add(name, fmt::format("must be a list of at most {}", max_items));
    return std::nullopt;
  }
  std::vector<JsonFields> found;
  for (std::size_t i = 0; i < count; ++i) {
    const json& item = one ? *value : (*value)[i];
    const bool is_short = !short_for.empty() && (item.is_string() || item.is_number());
    if (!item.is_object() && !is_short) {
      errors_.add(one ? std::string(name) : element(name, i), "must be an object");
      return std::nullopt;
    }
    auto object = is_short ? std::make_unique<json>(json{{std::string(short_for), item}}) : std::make_unique<json>(item);
    found.push_back(JsonFields(std::move(object), lenient_));
  }
  return found;
}

std::optional<ChunkRanges> JsonFields::ranges(std::string_view name, std::size_t min_items, std::size_t max_items) {
  const json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_array() || value->size() < min_items || value->size() > max_items) {
    errors_.add(name, fmt::format("must be a list of {} to {} ranges [first, last]", min_items, max_items));
    return std::nullopt;
  }
  ChunkRanges found;
  for (std::size_t i = 0; i < value->size(); ++i) {
    const json& item = (*value)[i];
    const bool pair = item.is_array() && item.size() == 2;
    const auto first = pair ? as_integer(item[0], 0, kAnyIndex) : std::nullopt;
    const auto last = pair ? as_integer(item[1], 0, kAnyIndex) : std::nullopt;
    if (!first || !last || *first > *last) {
      errors_.add(element(name, i), "must be [first, last], integers with 0 <= first <= last");
      return std::nullopt;
    }
    if (*last >= kMaxChunks) {
      out_of_grid_.add(element(name, i), past_any_grid());
      return std::nullopt;
    }
    found.push_back({static_cast<std::uint32_t>(*first), static_cast<std::uint32_t>(*last)});
  }
  return found;
}

std::optional<std::uint32_t> JsonFields::chunk(std::string_view name) {
  const auto index = integer(name, 0, kAnyIndex);
  if (!index) return std::nullopt;
  if (*index < kMaxChunks) return static_cast<std::uint32_t>(*index);
  out_of_grid_.add(name, past_any_grid());
  return std::nullopt;
}

void JsonFields::require(std::string_view name) {
  if (!has(name)) errors_.add(name, "is missing");
}

void JsonFields::refuse_unknown(std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : object_->items())
    if (std::find(known.begin(), known.end(), name) == known.end())
      errors_.add(name, unknown_name(name, {known.begin(), known.size()}));
}

Result<void> JsonFields::check(Errc code) const {
  if (!errors_.empty()) return errors_.to_error(code);
  if (!out_of_grid_.empty()) return out_of_grid_.to_error(Errc::bad_chunk_range);
  return {};
}

}  // namespace ota::wire
