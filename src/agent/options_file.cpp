#include "agent/options_file.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>

#include "ota/base/text.hpp"

namespace ota::agent {
namespace {

constexpr std::size_t kMaxBytes = 1u << 20;

[[noreturn]] void refuse(const toml::source_region& where, std::string_view what) {
  throw CLI::ConfigError(fmt::format("options file, line {}: {}", where.begin.line, what),
                         CLI::ExitCodes::ConfigError);
}

enum class Kind { text, number, flag };

Kind kind_of(const CLI::Option& option) {
  if (option.get_expected_min() == 0) return Kind::flag;
  const auto type = option.get_type_name();
  return type.starts_with("INT") || type.starts_with("UINT") ? Kind::number : Kind::text;
}

std::string value_of(const toml::node& node, Kind kind, std::string_view key) {
  switch (kind) {
    case Kind::flag:
      if (const auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
      refuse(node.source(), fmt::format("{} must be true or false, without quotes", key));
    case Kind::number:
      if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
      refuse(node.source(), fmt::format("{} must be a whole number, without quotes", key));
    case Kind::text:
      break;
  }
  if (auto text = node.value_exact<std::string>()) return std::move(*text);
  refuse(node.source(), fmt::format("{} must be a quoted string", key));
}

std::vector<std::string> values_of(const toml::node& node, Kind kind, std::string_view key) {
  const auto* list = node.as_array();
  if (list == nullptr) return {value_of(node, kind, key)};
  std::vector<std::string> values;
  for (const auto& item : *list) values.push_back(value_of(item, kind, key));
  return values;
}

std::string unknown(const CLI::App& app, std::string_view key) {
  std::string said = "there is no option ";
  append_printable(said, key);
  std::vector<std::string> names;
  for (const auto* option : app.get_options()) {
    if (!option->get_configurable()) continue;
    names.push_back(option->get_single_name());
    std::ranges::replace(names.back(), '-', '_');
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  if (const auto meant = closest(key, candidates); !meant.empty()) said += fmt::format("; did you mean {}?", meant);
  return said;
}

}  // namespace

std::vector<CLI::ConfigItem> OptionsFile::from_config(std::istream& in) const {
  std::string content(kMaxBytes + 1, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(in.gcount()));
  if (content.size() > kMaxBytes)
    throw CLI::ConfigError(fmt::format("options file: larger than {} bytes", kMaxBytes), CLI::ExitCodes::ConfigError);
  std::vector<CLI::ConfigItem> found;
  try {
    for (const auto& [key, node] : toml::parse(content)) {
      auto name = std::string(key.str());
      std::ranges::replace(name, '_', '-');
      const auto* option = app_.get_option_no_throw("--" + name);
      if (option == nullptr || !option->get_configurable() || key.str().find('-') != std::string_view::npos) {
        refuse(key.source(), unknown(app_, key.str()));
      }
      auto values = values_of(node, kind_of(*option), key.str());
      if (values.empty()) continue;  // an empty list is the default
      auto& item = found.emplace_back();
      item.name = name;
      item.inputs = std::move(values);
    }
  } catch (const toml::parse_error& error) {
    refuse(error.source(), fmt::format("not TOML: {}", error.description()));
  }
  // An empty list gives nothing.
  std::erase_if(found, [](const CLI::ConfigItem& item) { return item.inputs.empty(); });
  return found;
}

}  // namespace ota::agent
