#include "rest/import_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "ota/base/text.hpp"
#include "rest/device_change.hpp"

namespace ota::rest {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::string_view kTag = "tag.";
constexpr std::string_view kColumns[] = {"id", "hardware", "channel", "tag.KEY"};

Result<void> check_header(const std::vector<std::string>& header) {
  wire::FieldErrors errors;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const auto& name = header[i];
    if (std::count(header.begin(), header.end(), name) > 1) errors.add(name, "is a column twice");
    if (!is_utf8(name))
      errors.add(name, "must be UTF-8");
    else if (name.starts_with(kTag))
      check_tag(name, name.substr(kTag.size()), {}, errors);
    else if (name != "id" && name != "hardware" && name != "channel")
      errors.add(name, wire::unknown_name(name, kColumns));
  }
  if (std::find(header.begin(), header.end(), "id") == header.end()) errors.add("id", "is missing in the header");
  if (errors.empty()) return {};
  return errors.to_error(Errc::malformed);
}

/// Empty fields change nothing.
ImportLine line_of(const std::vector<std::string>& header, const CsvRow& row) {
  ImportLine line{row.line};
  if (row.fields.size() != header.size()) {
    line.refused = fmt::format("has {} fields, the header has {}", row.fields.size(), header.size());
    return line;
  }
  wire::FieldErrors errors;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const auto& [name, value] = std::tie(header[i], row.fields[i]);
    if (name == "id") line.change.device = value;
    if (value.empty()) continue;
    if (!is_utf8(value)) errors.add(name, "must be UTF-8");
    if (name == "hardware") {
      line.change.hardware = value;
      if (!valid_hardware(value)) errors.add(name, kHardwareRule);
    } else if (name == "channel") {
      line.change.channel = value;
      if (!valid_channel(value)) errors.add(name, kNoChannelName);
    } else if (name != "id") {
      const auto tag = name.substr(kTag.size());
      check_tag(name, tag, value, errors);
      line.change.tags[tag] = value;
    }
  }
  if (!errors.empty()) line.refused = errors.to_error(Errc::malformed).message;
  return line;
}

ImportLine line_of(std::size_t number, std::string_view text) {
  ImportLine line{number};
  auto fields = wire::JsonFields::parse(text, Errc::malformed);
  if (!fields) {
    line.refused = fields.error().message;
    return line;
  }
  fields->require("id");
  line.change = change_of(*fields, fields->text("id", 4096).value_or(""));
  fields->refuse_unknown({"id", "hardware", "channel", "tags"});
  if (auto checked = fields->check(Errc::malformed); !checked) line.refused = checked.error().message;
  return line;
}

/// Ids, and that each is there once.
void check_ids(std::vector<ImportLine>& lines) {
  std::map<std::string_view, std::size_t> first;
  for (auto& line : lines) {
    line.change.may_create = true;
    if (!line.refused.empty()) continue;
    const auto [found, fresh] = first.emplace(line.change.device, line.line);
    if (!DeviceId::parse(line.change.device))
      line.refused = fmt::format("\"id\" {}", kDeviceIdRule);
    else if (!fresh)
      line.refused = fmt::format("the device is in line {} too", found->second);
  }
}

Error too_many() {
  return fail(Errc::too_large, fmt::format("the file has more than {} devices: import it in parts", kMaxImportLines));
}

Result<std::vector<ImportLine>> lines_of_csv(std::string_view text) {
  CsvReader reader(text);
  const auto first = reader.next();
  if (!first) return first.error();
  if (!*first) return fail(Errc::malformed, "the file is empty: its first line names the columns");
  const auto& header = (*first)->fields;
  if (auto checked = check_header(header); !checked) return checked.error();
  std::vector<ImportLine> lines;
  for (;;) {
    const auto row = reader.next();
    if (!row) return row.error();
    if (!*row) return lines;
    if (lines.size() == kMaxImportLines) return too_many();
    lines.push_back(line_of(header, **row));
  }
}

Result<std::vector<ImportLine>> lines_of_json(std::string_view text) {
  std::vector<ImportLine> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (trim(line, " \t\r").empty()) continue;
    if (lines.size() == kMaxImportLines) return too_many();
    lines.push_back(line_of(number, line));
  }
  return lines;
}

}  // namespace

/// Takes one field; `text_` begins behind it, with the comma or the end of its line. False: its quote has no end.
bool CsvReader::take_field(std::string& field) {
  field.clear();
  if (!text_.starts_with('"')) {
    field = text_.substr(0, text_.find_first_of(",\r\n"));
    text_.remove_prefix(field.size());
    return true;
  }
  for (text_.remove_prefix(1);;) {
    const auto quote = text_.find('"');
    if (quote == std::string_view::npos) return false;
    const auto part = text_.substr(0, quote);
    field += part;
    line_ += static_cast<std::size_t>(std::count(part.begin(), part.end(), '\n'));
    text_.remove_prefix(quote + 1);
    if (!text_.starts_with('"')) return true;
    field += '"';
    text_.remove_prefix(1);
  }
}

Result<std::optional<CsvRow>> CsvReader::next() {
  while (!text_.empty()) {
    CsvRow row{line_, {}};
    for (std::string field;;) {
      if (!take_field(field))
        return fail(Errc::malformed, fmt::format("the quote that begins in line {} has no end", row.line));
      if (row.fields.size() == kMaxColumns)
        return fail(Errc::malformed, fmt::format("line {} has more than {} fields", row.line, kMaxColumns));
      row.fields.push_back(std::move(field));
      if (!text_.starts_with(',')) break;
      text_.remove_prefix(1);
    }
    if (text_.starts_with('\r')) text_.remove_prefix(1);
    if (!text_.empty() && text_.front() != '\n')
      return fail(Errc::malformed, fmt::format("line {} goes on behind a field in quotes", line_));
    if (!text_.empty()) text_.remove_prefix(1);
    ++line_;
    if (row.fields.size() > 1 || !row.fields.front().empty()) return std::optional(std::move(row));
  }
  return std::optional<CsvRow>();
}

Result<std::vector<ImportLine>> parse_import(std::string_view text, ImportFormat format) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  auto lines = format == ImportFormat::csv ? lines_of_csv(text) : lines_of_json(text);
  if (lines) check_ids(*lines);
  return lines;
}

}  // namespace ota::rest
