#include "simulate/toml_fields.hpp"

#include <fmt/format.h>

#include "ota/base/text.hpp"

namespace ota::simulate {
namespace {

constexpr const char* kPercentageRule = "must be a percentage: \"0%\" to \"100%\", with two decimals at most";

std::vector<std::string_view> names_of(const std::set<std::string, std::less<>>& names) {
  return {names.begin(), names.end()};
}

}  // namespace

void Faults::add(const toml::source_region& where, std::string field, const std::string& message) {
  auto text = fmt::format("{}:{}: ", file_, where.begin.line);
  append_printable(text, message);
  faults_.push_back({std::move(field), std::move(text)});
}

void Faults::add(std::vector<FieldError> fields) {
  for (auto& field : fields)
    faults_.push_back({field.field, fmt::format("{}: {} {}", file_, field.field, field.message)});
}

Error Faults::to_error() const {
  std::string all;
  for (const auto& fault : faults_) all += (all.empty() ? "" : "\n") + fault.message;
  return Error{Errc::malformed, all, faults_};
}

std::optional<toml::table> parse_toml(std::string_view text, Faults& faults) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& e) {
    faults.add(e.source(), "", fmt::format("is not TOML: {}", e.description()));
    return {};
  }
}

std::optional<Share> share_of(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return Share::parse(*text);
  if (const auto number = node.value_exact<std::int64_t>()) return Share::parse(std::to_string(*number));
  return {};
}

const toml::node* TomlFields::find(std::string_view key) {
  asked_.emplace(key);
  return table_.get(key);
}

std::string TomlFields::full_name(std::string_view key) const {
  return name_.empty() ? std::string(key) : fmt::format("{}.{}", name_, key);
}

std::nullopt_t TomlFields::wrong(std::string_view key, const std::string& message) {
  faults_.add(table_.get(key)->source(), full_name(key), fmt::format("{} {}", full_name(key), message));
  return std::nullopt;
}

std::optional<std::string> TomlFields::text(std::string_view key) {
  const auto* node = find(key);
  if (!node) return {};
  auto value = node->value_exact<std::string>();
  if (!value) return wrong(key, "must be a quoted string");
  return value;
}

std::optional<std::int64_t> TomlFields::integer(std::string_view key, std::int64_t least, std::int64_t most) {
  const auto* node = find(key);
  if (!node) return {};
  const auto value = node->value_exact<std::int64_t>();
  if (!value || *value < least || *value > most)
    return wrong(key, fmt::format("must be a whole number from {} to {}", least, most));
  return value;
}

std::optional<bool> TomlFields::flag(std::string_view key) {
  const auto* node = find(key);
  if (!node) return {};
  const auto value = node->value_exact<bool>();
  if (!value) return wrong(key, "must be true or false, without quotes");
  return value;
}

std::optional<Share> TomlFields::share(std::string_view key) {
  const auto* node = find(key);
  if (!node) return {};
  const auto value = share_of(*node);
  if (!value) return wrong(key, "must be a number of devices or a percentage, as \"25%\"");
  return value;
}

std::optional<double> TomlFields::percentage(std::string_view key) {
  const auto* node = find(key);
  if (!node) return {};
  const auto text = node->value_exact<std::string>();
  if (text == "0%") return 0.0;
  const auto value = text ? Share::parse(*text) : std::nullopt;
  if (!value || value->kind != Share::Kind::percent) return wrong(key, kPercentageRule);
  return static_cast<double>(value->value) / 10'000.0;
}

std::optional<std::vector<std::string>> TomlFields::texts(std::string_view key) {
  const auto* node = find(key);
  if (!node) return {};
  const auto* list = node->as_array();
  if (!list) return wrong(key, "must be a list of quoted strings");
  std::vector<std::string> found;
  for (const auto& entry : *list) {
    auto value = entry.value_exact<std::string>();
    if (!value) return wrong(key, "must be a list of quoted strings");
    found.push_back(std::move(*value));
  }
  return found;
}

std::optional<std::map<std::string, std::string>> TomlFields::text_map(std::string_view key) {
  const auto* node = find(key);
  if (!node) return {};
  constexpr const char* kRule = "must be a table of quoted strings: { site = \"lab\" }";
  const auto* map = node->as_table();
  if (!map) return wrong(key, kRule);
  std::map<std::string, std::string> found;
  for (const auto& [name, entry] : *map) {
    auto value = entry.value_exact<std::string>();
    if (!value) return wrong(key, kRule);
    found.emplace(name.str(), std::move(*value));
  }
  return found;
}

const toml::array* TomlFields::array(std::string_view key) {
  const auto* node = find(key);
  if (!node) return nullptr;
  if (!node->is_array()) wrong(key, "must be a list");
  return node->as_array();
}

const toml::table* TomlFields::table(std::string_view key) {
  const auto* node = find(key);
  if (!node) return nullptr;
  if (!node->is_table()) wrong(key, "must be a table");
  return node->as_table();
}

void TomlFields::accept(std::initializer_list<std::string_view> keys) {
  for (const auto key : keys) asked_.emplace(key);
}

void TomlFields::refuse(std::string_view key, const std::string& why) {
  if (find(key)) wrong(key, why);
}

void TomlFields::refuse_unknown() {
  const auto known = names_of(asked_);
  for (const auto& [name, node] : table_) {
    if (asked_.contains(name.str())) continue;
    const auto meant = closest(name.str(), known);
    faults_.add(name.source(), full_name(name.str()),
                fmt::format("{} is unknown{}", full_name(name.str()),
                            meant.empty() ? std::string() : fmt::format("; did you mean {}?", meant)));
  }
}

}  // namespace ota::simulate
