// A table of a TOML file: typed getters that collect what is wrong.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/domain/rollout.hpp"

namespace ota::simulate {

/// What is wrong with a file, each with its line.
class Faults {
 public:
  explicit Faults(std::string file) : file_(std::move(file)) {}
  void add(const toml::source_region& where, std::string field, const std::string& message);
  void add(std::vector<FieldError> fields);
  bool empty() const { return faults_.empty(); }
  /// Errc::malformed with all of them.
  Error to_error() const;

 private:
  std::string file_;
  std::vector<FieldError> faults_;
};

/// The text as a table; nothing, with a fault, if it isn't TOML.
std::optional<toml::table> parse_toml(std::string_view text, Faults& faults);

/// Each getter returns nothing where the key is missing, or wrong, which it adds to the faults.
class TomlFields {
 public:
  /// `name`: of the table, for messages; empty: the file's own.
  TomlFields(const toml::table& table, std::string name, Faults& faults)
      : table_(table), name_(std::move(name)), faults_(faults) {}

  std::optional<std::string> text(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most);
  std::optional<bool> flag(std::string_view key);
  /// `canary`, `40`, 40 or `25%`.
  std::optional<Share> share(std::string_view key);
  /// `0%` to `100%`, as 0 to 1.
  std::optional<double> percentage(std::string_view key);
  std::optional<std::vector<std::string>> texts(std::string_view key);
  std::optional<std::map<std::string, std::string>> text_map(std::string_view key);
  const toml::array* array(std::string_view key);
  const toml::table* table(std::string_view key);
  /// These are read by somebody else, or mean nothing here.
  void accept(std::initializer_list<std::string_view> keys);
  void refuse(std::string_view key, const std::string& why);
  /// A fault for each key that nobody asked for.
  void refuse_unknown();

  std::string full_name(std::string_view key) const;

 private:
  const toml::node* find(std::string_view key);
  std::nullopt_t wrong(std::string_view key, const std::string& message);

  const toml::table& table_;
  std::string name_;
  Faults& faults_;
  std::set<std::string, std::less<>> asked_;
};

/// A text or a whole number as a share; nothing if it is none.
std::optional<Share> share_of(const toml::node& node);

}  // namespace ota::simulate
