// JSON objects as text, written field by field.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <utility>

namespace ota {

/// One object. Fields stand in the order in which they are put. Texts may hold anything: what isn't UTF-8 is replaced
/// by U+FFFD. For what is written by the thousand a second, and below the modules that have a JSON library.
class JsonWriter {
 public:
  /// `bytes`: how long it will become at least.
  explicit JsonWriter(std::size_t bytes = 1024) {
    text_.reserve(bytes);
    text_ = '{';
  }

  void put(std::string_view name, std::string_view text);
  /// A number, or `true` and `false`.
  void put(std::string_view name, std::integral auto value) {
    if constexpr (std::same_as<decltype(value), bool>)
      put_raw(name, value ? "true" : "false");
    else
      put_raw(name, std::to_string(value));
  }
  void put_null(std::string_view name) { put_raw(name, "null"); }
  /// Precondition: `json` is valid JSON.
  void put_raw(std::string_view name, std::string_view json);

  std::string take() { return std::move(text_ += '}'); }

 private:
  void start(std::string_view name);

  std::string text_;
};

}  // namespace ota
