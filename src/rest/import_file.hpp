// The file of POST /devices/import: CSV with a header, or a JSON object a line.
#pragma once

#include <cstddef>
#include <optional>
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

/// A line of CSV; a field in quotes may go on over the end of it.
struct CsvRow {
  std::size_t line = 0;
  std::vector<std::string> fields;
};

/// Reads RFC 4180, with CR LF or LF; empty lines are left out. Keeps no more than a row: a file of separators has a
/// field for each of its bytes. Not thread-safe.
class CsvReader {
 public:
  static constexpr std::size_t kMaxColumns = 1'000;

  explicit CsvReader(std::string_view text) : text_(text) {}
  /// Nothing: that was the end. Errc::malformed: nothing of what follows can be read.
  Result<std::optional<CsvRow>> next();

 private:
  bool take_field(std::string& field);

  std::string_view text_;
  std::size_t line_ = 1;
};

}  // namespace ota::rest
