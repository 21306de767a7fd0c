#include "wire/json_parse.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "ota/base/text.hpp"
#include "wire/json_mend.hpp"

namespace ota::wire {
namespace {

using nlohmann::json;

/// Builds the value from the parser's events, and stops the parser when a limit is exceeded.
class Builder {
 public:
  explicit Builder(const JsonLimits& limits) : limits_(limits) {}

  bool null() { return put(json(nullptr)); }
  bool boolean(bool value) { return put(json(value)); }
  bool number_integer(json::number_integer_t value) { return put(json(value)); }
  bool number_unsigned(json::number_unsigned_t value) { return put(json(value)); }
  bool number_float(json::number_float_t value, const std::string&) { return put(json(value)); }
  bool string(std::string& value) { return put(json(std::move(value))); }
  bool binary(json::binary_t&) { return refuse("it holds binary data"); }
  bool start_object(std::size_t) { return open(json::object()); }
  bool start_array(std::size_t) { return open(json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    auto& object = *open_.back();
    if (object.contains(name)) return refuse(fmt::format("the field \"{}\" occurs twice", shorten(name)));
    slot_ = &object[std::move(name)];
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const json::exception&) {
    return refuse(fmt::format("it is not valid JSON (UTF-8) at byte {}", position));
  }

  json take() { return std::move(root_); }
  std::string& why() { return why_; }

 private:
  bool refuse(std::string why) {
    why_ = std::move(why);
    return false;
  }

  json* place(json&& value) {
    if (++values_ > limits_.max_values) {
      refuse(fmt::format("it holds more than {} values", limits_.max_values));
      return nullptr;
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return &open_.back()->back();
    }
    *slot_ = std::move(value);
    return slot_;
  }

  bool put(json&& value) { return place(std::move(value)) != nullptr; }

  bool open(json&& value) {
    if (open_.size() == limits_.max_depth)
      return refuse(fmt::format("it is nested more than {} levels deep", limits_.max_depth));
    json* placed = place(std::move(value));
    if (placed) open_.push_back(placed);
    return placed != nullptr;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const JsonLimits& limits_;
  json root_;
  // Pointers stay true: only the innermost open container grows, and none of its children is open then.
  std::vector<json*> open_;
  json* slot_ = nullptr;
  std::size_t values_ = 0;
  std::string why_;
};

Result<std::unique_ptr<json>> parse_text(std::string_view text, Errc code, const JsonLimits& limits) {
  Builder builder(limits);
  try {
    if (!json::sax_parse(text.begin(), text.end(), &builder))
      return fail(code, "the message can't be read: " + builder.why());
  } catch (const json::exception&) {
    return fail(code, "the message can't be read as JSON");
  }
  return std::make_unique<json>(builder.take());
}

}  // namespace

std::string shorten(std::string_view name) {
  constexpr std::size_t kMost = 64;
  return name.size() <= kMost ? std::string(name) : std::string(utf8_prefix(name, kMost)) + "…";
}

Result<std::unique_ptr<json>> parse_json(std::string_view text, Errc code, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes)
    return fail(code, fmt::format("the message has {} bytes, more than {}", text.size(), limits.max_bytes));
  // Clients written in C may send the terminating NUL of their string.
  while (limits.lenient && text.ends_with('\0')) text.remove_suffix(1);
  // The parser stops at a NUL and would ignore what follows it.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos)
    return fail(
        code,
        fmt::format("the message can't be read: a zero byte, with more behind it, is not valid JSON (UTF-8) at byte {}",
                    nul + 1));
  auto value = parse_text(text, code, limits);
  if (value || !limits.lenient) return value;
  if (const auto mended = mend_strings(text))
    if (auto read = parse_text(*mended, code, limits)) return read;
  return value;
}

}  // namespace ota::wire
