// Defaults, then the file, then the environment; every value is checked against its rule, and all errors are collected.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include "base/settings_keys.hpp"
#include "ota/base/file.hpp"
#include "ota/base/text.hpp"

namespace ota {
namespace {

constexpr std::size_t kMaxFileBytes = 1u << 20;
constexpr std::size_t kFaultsInMessage = 3;
constexpr std::size_t kMaxListed = 64;

std::string shown(std::string_view value) {
  constexpr std::size_t kMost = 60;
  // A URL with a password is refused; the error must not put the password into the log.
  if (value.find('@') != std::string_view::npos) return "(not shown: it may hold a password)";
  std::string out = "\"";
  append_printable(out, value.substr(0, kMost));
  return out + (value.size() > kMost ? "...\"" : "\"");
}

class Loader {
 public:
  void read_file(const std::string& file);
  void read_environment(const Environment& environment);
  Result<Settings> finish();

 private:
  using Node = toml::node;

  void read_table(const std::string& file, const toml::table& table);
  void read_section(const std::string& file, std::string_view section, const toml::table& table);
  void read_node(const Key& key, const Node& node, const std::string& where);
  void read_variable(const Key& key, const std::string& variable, std::string_view value);
  void take_number(const Key& key, std::int64_t number, const std::string& where);
  void take_text(const Key& key, std::string text, const std::string& where);
  void take_list(const Key& key, std::vector<std::string> list, const std::string& where);
  void take_flag(const Key& key, bool flag) { *std::get<bool*>(key.field(settings_)) = flag; }

  void fault(std::string field, const std::string& where, std::string_view what) {
    faults_.push_back({std::move(field), fmt::format("{}: {}", where, what)});
  }
  void fault_in(const Key& key, const std::string& where, std::string_view what) {
    fault(key.full_name(), where, fmt::format("{} {}", key.full_name(), what));
  }
  /// Reported at the place where the first of both was set.
  void fault_between(const Conflict& conflict);

  Settings settings_;
  std::vector<FieldError> faults_;
};

std::string must_be_number(const Rule& rule) {
  return fmt::format("must be a whole number from {} to {}", rule.min, rule.max);
}

/// The array's texts; nothing if it isn't an array of texts.
std::optional<std::vector<std::string>> texts_of(const toml::node& node) {
  const auto* array = node.as_array();
  if (array == nullptr) return std::nullopt;
  std::vector<std::string> list;
  for (const auto& entry : *array) {
    auto text = entry.value_exact<std::string>();
    if (!text) return std::nullopt;
    list.push_back(std::move(*text));
  }
  return list;
}

/// The list of an environment variable, `a,b, c`.
std::vector<std::string> split_list(std::string_view value) {
  std::vector<std::string> list;
  for (const auto part : split(value, ','))
    if (const auto entry = trim(part, " "); !entry.empty()) list.emplace_back(entry);
  return list;
}

/// `; did you mean "…"?`, or all candidates if none is similar.
std::string hint(std::string_view name, const std::vector<std::string_view>& there) {
  if (const auto meant = closest(name, there); !meant.empty()) return fmt::format("; did you mean \"{}\"?", meant);
  return fmt::format("; there are: {}", fmt::join(there, ", "));
}

std::string hint_at_top(std::string_view name) {
  std::vector<std::string_view> there;
  for (const Key& key : keys()) {
    if (key.name == name) return fmt::format("; it belongs below [{}]", key.section);
    const auto above = key.section.empty() ? key.name : key.section;
    if (there.empty() || there.back() != above) there.push_back(above);
  }
  return hint(name, there);
}

std::string hint_in(std::string_view section, std::string_view name) {
  std::vector<std::string_view> there;
  for (const Key& key : keys())
    if (key.section == section) there.push_back(key.name);
  return hint(name, there);
}

std::string line_of(const std::string& file, const toml::source_region& source) {
  return fmt::format("{}:{}", file, source.begin.line);
}

void Loader::read_file(const std::string& file) {
  if (is_special(file)) return fault("", file, "can't be read: it is no regular file");
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    fault("", file, fmt::format("can't be read: {}", std::strerror(errno)));
    return;
  }
  std::string text;
  for (char piece[4096]; in && text.size() <= kMaxFileBytes;) {
    in.read(piece, sizeof piece);
    text.append(piece, static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad() || (text.empty() && !in.eof())) {
    fault("", file, "can't be read: is it a file?");
    return;
  }
  if (text.size() > kMaxFileBytes) {
    fault("", file, fmt::format("is larger than {} bytes and not a settings file", kMaxFileBytes));
    return;
  }
  try {
    read_table(file, toml::parse(text));
  } catch (const toml::parse_error& e) {
    std::string what = "is not TOML: ";
    append_printable(what, e.description());
    fault("", line_of(file, e.source()), what);
  }
}

void Loader::read_table(const std::string& file, const toml::table& table) {
  for (const auto& [name, node] : table) {
    if (is_section(name.str())) {
      if (const auto* section = node.as_table())
        read_section(file, name.str(), *section);
      else
        fault(std::string(name.str()), line_of(file, node.source()),
              fmt::format("{0} must be a section: [{0}]", name.str()));
    } else if (const Key* key = find_key("", name.str())) {
      read_node(*key, node, line_of(file, node.source()));
    } else {
      fault(std::string(name.str()), line_of(file, name.source()),
            fmt::format("{} is no {}{}", shown(name.str()), node.is_table() ? "section" : "key",
                        hint_at_top(name.str())));
    }
  }
}

void Loader::read_section(const std::string& file, std::string_view section, const toml::table& table) {
  for (const auto& [name, node] : table) {
    if (const Key* key = find_key(section, name.str()))
      read_node(*key, node, line_of(file, node.source()));
    else
      fault(fmt::format("{}.{}", section, name.str()), line_of(file, name.source()),
            fmt::format("{} is not a key of section {}{}", shown(name.str()), section, hint_in(section, name.str())));
  }
}

void Loader::read_node(const Key& key, const Node& node, const std::string& where) {
  settings_.origins[key.full_name()] = {SettingSource::file, where};
  const FieldRef field = key.field(settings_);
  if (std::holds_alternative<bool*>(field)) {
    if (const auto flag = node.value_exact<bool>()) return take_flag(key, *flag);
    return fault_in(key, where, "must be true or false, without quotes");
  }
  if (std::holds_alternative<std::string*>(field)) {
    if (auto text = node.value_exact<std::string>()) return take_text(key, std::move(*text), where);
    return fault_in(key, where, fmt::format("must be a quoted string: {}", key.rule.permitted));
  }
  if (std::holds_alternative<std::vector<std::string>*>(field)) {
    if (auto list = texts_of(node)) return take_list(key, std::move(*list), where);
    return fault_in(key, where, fmt::format("must be a list of quoted strings, [\"...\"]: {}", key.rule.permitted));
  }
  if (const auto number = node.value_exact<std::int64_t>()) return take_number(key, *number, where);
  fault_in(key, where, must_be_number(key.rule));
}

void Loader::take_number(const Key& key, std::int64_t number, const std::string& where) {
  if (number < key.rule.min || number > key.rule.max)
    return fault_in(key, where, fmt::format("{}, is {}", must_be_number(key.rule), number));
  const FieldRef field = key.field(settings_);
  if (const auto* size = std::get_if<std::uint64_t*>(&field))
    **size = static_cast<std::uint64_t>(number);
  else
    *std::get<int*>(field) = static_cast<int>(number);
}

void Loader::take_text(const Key& key, std::string text, const std::string& where) {
  // Only environment variables can contain other bytes: TOML is UTF-8.
  if (!is_utf8(text)) return fault_in(key, where, fmt::format("must be UTF-8; is {}", shown(text)));
  if (!key.rule.holds(text))
    return fault_in(key, where, fmt::format("must be {}; is {}", key.rule.permitted, shown(text)));
  *std::get<std::string*>(key.field(settings_)) = std::move(text);
}

void Loader::take_list(const Key& key, std::vector<std::string> list, const std::string& where) {
  if (list.size() > kMaxListed) return fault_in(key, where, fmt::format("must have at most {} entries", kMaxListed));
  for (const std::string& entry : list) {
    if (!is_utf8(entry) || !key.rule.holds(entry))
      return fault_in(key, where, fmt::format("must be a list of {}; one is {}", key.rule.permitted, shown(entry)));
  }
  *std::get<std::vector<std::string>*>(key.field(settings_)) = std::move(list);
}

void Loader::read_environment(const Environment& environment) {
  std::map<std::string, const Key*, std::less<>> known;
  for (const Key& key : keys()) known.emplace(key.environment(), &key);
  for (const std::string_view entry : environment) {
    const auto equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string variable(entry.substr(0, equals));
    if (const auto at = known.find(variable); at != known.end())
      read_variable(*at->second, variable, entry.substr(equals + 1));
  }
}

void Loader::read_variable(const Key& key, const std::string& variable, std::string_view value) {
  settings_.origins[key.full_name()] = {SettingSource::environment, variable};
  const std::string where = "environment variable " + variable;
  const FieldRef field = key.field(settings_);
  if (std::holds_alternative<bool*>(field)) {
    if (value == "true" || value == "false") return take_flag(key, value == "true");
    return fault_in(key, where, fmt::format("must be true or false; is {}", shown(value)));
  }
  if (std::holds_alternative<std::string*>(field)) return take_text(key, std::string(value), where);
  if (std::holds_alternative<std::vector<std::string>*>(field)) return take_list(key, split_list(value), where);
  if (const auto number = parse_decimal<std::int64_t>(value)) return take_number(key, *number, where);
  fault_in(key, where, fmt::format("{}; is {}", must_be_number(key.rule), shown(value)));
}

void Loader::fault_between(const Conflict& conflict) {
  for (const std::string_view name : {conflict.key, conflict.other})
    if (const auto at = settings_.origins.find(name); at != settings_.origins.end()) {
      const auto& [source, place] = at->second;
      const char* const kind = source == SettingSource::environment ? "environment variable " : "";
      return fault(std::string(conflict.key), kind + place, conflict.what);
    }
  fault(std::string(conflict.key), "defaults", conflict.what);
}

Result<Settings> Loader::finish() {
  if (faults_.empty())
    for (const auto& conflict : conflicts(settings_)) fault_between(conflict);
  if (faults_.empty()) return std::move(settings_);
  std::string message = "settings refused: ";
  for (std::size_t i = 0; i < faults_.size() && i < kFaultsInMessage; ++i)
    message += (i > 0 ? "; " : "") + faults_[i].message;
  if (faults_.size() > kFaultsInMessage) message += fmt::format("; and {} more", faults_.size() - kFaultsInMessage);
  Error error = fail(Errc::malformed, std::move(message));
  error.fields = std::move(faults_);
  return error;
}

}  // namespace

std::vector<std::string> unknown_variables(const Environment& environment) {
  std::vector<std::string> names;
  for (const Key& key : keys()) names.push_back(key.environment());
  const std::vector<std::string_view> known(names.begin(), names.end());
  std::vector<std::string> warnings;
  for (const std::string_view entry : environment) {
    const auto name = entry.substr(0, entry.find('='));
    if (!name.starts_with("OTAD_") || name.size() == entry.size()) continue;
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto meant = closest(name, known);
    warnings.push_back(fmt::format("the environment variable {} sets no known key and has no effect{}", shown(name),
                                   meant.empty() ? "" : fmt::format("; did you mean {}?", meant)));
  }
  return warnings;
}

Result<Settings> load_settings(const std::string& file, const Environment& environment) {
  Loader loader;
  if (!file.empty()) loader.read_file(file);
  loader.read_environment(environment);
  return loader.finish();
}

}  // namespace ota
