#include "ddi/decode.hpp"

#include <fmt/format.h>

#include <utility>

#include "ota/base/text.hpp"
#include "ota/domain/version.hpp"
#include "ota/wire/json_fields.hpp"

namespace ota::ddi {
namespace {

constexpr wire::JsonLimits kLimits{kMaxBody, 8, 2'000, true};
constexpr std::size_t kMaxWord = 64;
constexpr std::size_t kMaxMessages = 50;
constexpr std::size_t kMaxVersion = 128;
constexpr std::int64_t kMostSteps = 1'000'000'000;

void add_line(std::string& text, std::string_view line) {
  if (line.empty()) return;
  if (!text.empty()) text += '\n';
  text += line;
}

/// The object that is the value of that field; nothing adds an error.
std::optional<wire::JsonFields> object(wire::JsonFields& in, std::string_view name) {
  in.require(name);
  auto found = in.objects(name, 1);
  if (!found || found->empty()) return std::nullopt;
  return std::move(found->front());
}

template <class Parse>
auto word(wire::JsonFields& in, std::string_view name, Parse parse) -> decltype(parse(std::string_view{})) {
  in.require(name);
  const auto text = in.text(name, kMaxWord);
  if (!text) return {};
  auto value = parse(std::string_view(*text));
  if (!value) in.errors().add(name, "is none of hawkBit's words");
  return value;
}

std::string progress_line(wire::JsonFields& result) {
  const auto progress = result.objects("progress", 1);
  if (!progress || progress->empty()) return {};
  const auto done = progress->front().noted_number("cnt", 0, kMostSteps);
  const auto all = progress->front().noted_number("of", 1, kMostSteps);
  return done && all ? fmt::format("step {:.0f} of {:.0f}", *done, *all) : std::string{};
}

std::string messages(wire::JsonFields& status, wire::JsonFields& result) {
  std::string text;
  for (const auto& line : status.notes("details", kMaxMessages, ActionReport::kMaxText)) add_line(text, line);
  if (const auto code = status.noted_number("code", -kMostSteps, kMostSteps))
    add_line(text, fmt::format("code {:.0f}", *code));
  add_line(text, progress_line(result));
  return std::string(utf8_prefix(text, ActionReport::kMaxText));
}

/// The value of the first `"name": "…"` in text that need not be JSON.
std::string_view scan(std::string_view text, std::string_view name) {
  const auto quoted = fmt::format("\"{}\"", name);
  auto at = text.find(quoted);
  if (at == std::string_view::npos) return {};
  text = trim(text.substr(at + quoted.size()), " \t\r\n");
  if (!text.starts_with(':')) return {};
  text = trim(text.substr(1), " \t\r\n");
  if (!text.starts_with('"')) return {};
  text.remove_prefix(1);
  return text.substr(0, std::min(text.find('"'), text.size()));
}

std::optional<ActionReport> read_anyway(std::string_view body, ActionId action) {
  const auto execution = parse_execution(scan(body, "execution"));
  const auto finished = parse_finished(scan(body, "finished"));
  if (!execution || !finished) return std::nullopt;
  std::string text;
  append_printable(text, body.substr(0, ActionReport::kMaxText));
  return ActionReport{action, *execution, *finished, std::string(utf8_prefix(text, ActionReport::kMaxText))};
}

std::optional<AttributeReport::Mode> parse_mode(std::string_view text) {
  if (text == "merge") return AttributeReport::Mode::merge;
  if (text == "replace") return AttributeReport::Mode::replace;
  if (text == "remove") return AttributeReport::Mode::remove;
  return std::nullopt;
}

}  // namespace

Result<ActionReport> decode_feedback(std::string_view body, ActionId action) {
  auto fields = wire::JsonFields::parse(body, Errc::bad_message, kLimits);
  if (!fields) {
    if (auto report = read_anyway(body, action)) return std::move(*report);
    return fields.error();
  }
  ActionReport report;
  report.action = action;
  if (auto status = object(*fields, "status")) {
    const auto execution = word(*status, "execution", parse_execution);
    if (execution) report.execution = *execution;
    if (auto result = object(*status, "result")) {
      const auto finished = word(*result, "finished", parse_finished);
      if (finished) report.finished = *finished;
      report.text = messages(*status, *result);
      status->errors().add_nested("result", result->errors());
    }
    fields->errors().add_nested("status", status->errors());
  }
  if (auto right = fields->check(Errc::bad_message); !right) return right.error();
  return report;
}

Result<AttributeReport> decode_config(std::string_view body) {
  auto fields = wire::JsonFields::parse(body, Errc::bad_message, kLimits);
  if (!fields) return fields.error();
  AttributeReport report;
  if (fields->has("mode")) report.mode = word(*fields, "mode", parse_mode).value_or(report.mode);
  const auto data = fields->text_map("data", AttributeReport::kMost, AttributeReport::kLongest, AttributeReport::kLongest);
  if (data)
    for (const auto& [name, value] : *data) {
      const auto text = value.value_or("");
      if (!fit_attribute(name, text)) fields->errors().add("data." + name, "must have no control characters");
      report.values[name] = text;
    }
  if (auto right = fields->check(Errc::bad_message); !right) return right.error();
  return report;
}

Result<std::string> decode_installed(std::string_view body) {
  auto fields = wire::JsonFields::parse(body, Errc::bad_message, kLimits);
  if (!fields) return fields.error();
  fields->require("version");
  auto version = fields->text("version", kMaxVersion);
  if (version && !valid_version(*version)) fields->errors().add("version", "must be a version: 1 to 128 of A-Z a-z 0-9 . _ + ~ : -");
  if (auto right = fields->check(Errc::bad_message); !right) return right.error();
  return std::move(*version);
}

}  // namespace ota::ddi
