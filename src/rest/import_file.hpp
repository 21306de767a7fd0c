// The file of POST /devices/import: CSV with a header, or a JSON object a line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/engine/engine.hpp"

namespace ota::rest {

inline constexpr std::size_t kMaxImport = 8 << 20;        ///< bytes
inline constexpr std::size_t kMaxImportLines = 100'000;  ///< devices

struct ImportLine {
  std::size_t line = 0;  ///< where it begins, from 1
  engine::DeviceChange change{};
  std::string refused{};  ///< why; empty: it isn't
};

enum class ImportFormat : std::uint8_t { csv, ndjson };

/// One ImportLine for each device. Errc::malformed: the file as a whole can't be read, or its header is wrong.
Result<std::vector<ImportLine>> parse_import(std::string_view text, ImportFormat format);

/// RFC 4180, with CR LF or LF; empty lines are left out.
struct CsvRow {
  std::size_t line = 0;
  std::vector<std::string> fields;
};
Result<std::vector<CsvRow>> parse_csv(std::string_view text);

}  // namespace ota::rest
