#include "setup/toml_edit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string_view>
#include <toml++/toml.h>

namespace ota::setup {
namespace {

/// Where line `number` (from 1) begins; the end of the text for a line behind it.
std::size_t start_of_line(std::string_view text, std::size_t number) {
  std::size_t at = 0;
  while (--number > 0) {
    const auto end = text.find('\n', at);
    if (end == std::string_view::npos) return text.size();
    at = end + 1;
  }
  return at;
}

std::string set_one(std::string text, const Assignment& wanted) {
  const auto table = toml::parse(text);
  if (!text.empty() && text.back() != '\n') text += '\n';
  const auto line = fmt::format("{} = {}\n", wanted.key, wanted.value);
  const auto* section = table.get_as<toml::table>(wanted.section);
  if (!section) return text + fmt::format("\n[{}]\n{}", wanted.section, line);
  const auto* node = section->get(wanted.key);
  if (!node) return text.insert(start_of_line(text, section->source().begin.line + 1), line);
  const auto begin = start_of_line(text, node->source().begin.line);
  const auto end = start_of_line(text, node->source().end.line + 1);
  return text.replace(begin, end - begin, line);
}

toml::table wanted_table(const std::string& text, const std::vector<Assignment>& values) {
  auto table = toml::parse(text);
  for (const auto& one : values) {
    const auto value = toml::parse(fmt::format("value = {}", one.value));
    if (!table.contains(one.section)) table.insert(one.section, toml::table());
    auto* section = table.get_as<toml::table>(one.section);
    if (section) section->insert_or_assign(one.key, *value.get("value"));
  }
  return table;
}

}  // namespace

Result<std::string> with_values(const std::string& text, const std::vector<Assignment>& values) {
  try {
    auto edited = text;
    const auto table = toml::parse(text);
    const bool fit = std::all_of(values.begin(), values.end(), [&](const auto& one) {
      return !table.contains(one.section) || table.get(one.section)->is_table();
    });
    for (const auto& one : fit ? values : std::vector<Assignment>{}) {
      const auto before = toml::parse(edited);
      if (wanted_table(edited, {one}) != before) edited = set_one(std::move(edited), one);
    }
    if (fit && toml::parse(edited) == wanted_table(text, values)) return edited;
  } catch (const toml::parse_error& error) {
    return fail(Errc::malformed, fmt::format("line {}: {}", error.source().begin.line, error.description()));
  }
  std::string keys;
  for (const auto& one : values) keys += fmt::format("\n  {}.{} = {}", one.section, one.key, one.value);
  return fail(Errc::malformed, "its keys are written in a way that can't be changed here; set these yourself:" + keys);
}

std::string toml_text(const std::string& text) {
  std::ostringstream out;
  const toml::value<std::string> value(text);
  out << toml::toml_formatter(value, toml::format_flags::none);
  return out.str();
}

std::string toml_list(const std::vector<std::string>& texts) {
  std::string list;
  for (const auto& text : texts) list += (list.empty() ? "" : ", ") + toml_text(text);
  return "[" + list + "]";
}

}  // namespace ota::setup
