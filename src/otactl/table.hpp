// Tables that fit the terminal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "otactl/terminal.hpp"

namespace ota::otactl {

/// Widths of columns with two blanks between them, at most `available` in all (0: no limit). The widest are made
/// narrower first, none below `least`; where that isn't enough the last ones are left out (0), but never the first.
std::vector<std::size_t> fit_columns(std::vector<std::size_t> widths, const std::vector<std::size_t>& least,
                                     std::size_t available);

/// Cells are printable text.
class Table {
 public:
  struct Column {
    std::string title;
    bool right = false;  ///< numbers
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// As many cells as there are columns.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  /// Lines with the titles above them. `available` as in fit_columns().
  std::string text(std::size_t available, const Style& style) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace ota::otactl
