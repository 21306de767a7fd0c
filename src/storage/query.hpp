// A prepared statement with typed values in and out; SQLiteCpp's exceptions become Fault here.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <climits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/domain/digest.hpp"
#include "ota/storage/bad_rows.hpp"
#include "ota/storage/fault.hpp"
#include "ota/storage/selection.hpp"
#include "storage/last_value.hpp"

namespace ota::storage {

inline Fault to_fault(const SQLite::Exception& e) {
  switch (e.getErrorCode()) {
    case SQLITE_CONSTRAINT:
      return {Fault::Kind::constraint, e.what()};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Fault::Kind::retryable, e.what()};
    default:
      return {Fault::Kind::broken, e.what()};
  }
}

/// What a column holds can't be read as what it stands for; names the column by its place.
class BadValue : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Results of one run, from left to right; resets the statement when it goes.
class Rows {
 public:
  explicit Rows(SQLite::Statement& statement) : statement_(statement) {}
  ~Rows() { statement_.tryReset(); }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  bool next() {
    at_ = 0;
    try {
      return statement_.executeStep();
    } catch (const SQLite::Exception& e) {
      throw to_fault(e);
    }
  }

  std::int64_t integer() {
    const auto column = statement_.getColumn(at_++);
    if (!column.isInteger()) bad("no whole number");
    return column.getInt64();
  }
  /// From 0 to `most`.
  std::int64_t number(std::int64_t most) {
    const auto value = integer();
    if (value < 0 || value > most) bad("out of range: " + std::to_string(value));
    return value;
  }
  int small() {
    const auto value = integer();
    if (value < INT_MIN || value > INT_MAX) bad("out of range: " + std::to_string(value));
    return static_cast<int>(value);
  }
  std::uint32_t unsigned32() { return static_cast<std::uint32_t>(number(UINT32_MAX)); }
  bool flag() { return integer() != 0; }
  double real() {
    const auto column = statement_.getColumn(at_++);
    if (!column.isFloat() && !column.isInteger()) bad("no number");
    return column.getDouble();
  }
  std::string text() {
    const auto column = statement_.getColumn(at_++);
    if (!column.isText()) bad("no text");
    return column.getString();
  }
  std::vector<std::uint8_t> blob() {
    const auto column = statement_.getColumn(at_++);
    const auto* data = static_cast<const std::uint8_t*>(column.getBlob());
    return data ? std::vector<std::uint8_t>(data, data + column.getBytes()) : std::vector<std::uint8_t>{};
  }
  /// A blob of exactly that many bytes.
  template <class Array>
  Array bytes() {
    Array array{};
    const auto found = blob();
    if (found.size() != array.size())
      bad("not " + std::to_string(array.size()) + " bytes, but " + std::to_string(found.size()));
    std::copy(found.begin(), found.end(), array.begin());
    return array;
  }
  Digest digest() { return bytes<Digest>(); }
  WallTime time() { return WallTime{Millis{integer()}}; }
  Millis millis() { return Millis{integer()}; }
  template <class E>
  E word() {
    return static_cast<E>(number(last_value(E{})));
  }

  /// As it is; NULL is an empty blob.
  SqlValue value() {
    const auto column = statement_.getColumn(at_);
    if (column.isInteger()) return integer();
    if (column.isText()) return text();
    return blob();
  }

  /// The first column as text: what names the row where it can't be read.
  std::string key() { return statement_.getColumn(0).getString(); }

  bool null() { return statement_.isColumnNull(at_); }
  /// The column read by `read`, or nothing where it is NULL.
  template <class T>
  std::optional<T> maybe(T (Rows::*read)()) {
    if (null()) {
      ++at_;
      return {};
    }
    return (this->*read)();
  }

 private:
  [[noreturn]] void bad(const std::string& why) {
    throw BadValue(std::string(statement_.getColumnName(at_ - 1)) + " is " + why);
  }

  SQLite::Statement& statement_;
  int at_ = 0;
};

/// The row that `rows` stands on, by `read`. Throws BadRow.
template <class T>
T read_row(Rows& rows, const char* table, T (*read)(Rows&)) {
  try {
    return read(rows);
  } catch (const BadValue& e) {
    const BadRow row(table, rows.key(), e.what());
    bad_rows().note(row);
    throw row;
  }
}

/// The first row; nothing where there is none. Throws BadRow.
template <class T>
std::optional<T> first_row(Rows&& rows, const char* table, T (*read)(Rows&)) {
  if (!rows.next()) return {};
  return read_row(rows, table, read);
}

/// All rows but those that can't be read, which are noted, up to `limit` of them: who asks for a page gets a whole one.
/// `bad` gets the keys of the others where it is given.
template <class T>
std::vector<T> readable_rows(Rows&& rows, const char* table, T (*read)(Rows&), int limit = INT_MAX,
                             std::vector<std::string>* bad = nullptr) {
  std::vector<T> found;
  while (found.size() < static_cast<std::size_t>(limit) && rows.next()) {
    try {
      found.push_back(read_row(rows, table, read));
    } catch (const BadRow& e) {
      if (bad) bad->push_back(e.key());
    }
  }
  return found;
}

/// Calls `read` with each row; one that it can't read is noted and passed over.
template <class Read>
void for_readable(Rows&& rows, const char* table, Read read) {
  while (rows.next()) {
    try {
      read(rows);
    } catch (const BadValue& e) {
      bad_rows().note(BadRow(table, rows.key(), e.what()));
    }
  }
}

/// A `?` for each of `columns`, which commas separate.
inline std::string marks(std::string_view columns) {
  std::string list = "?";
  for (const char c : columns)
    if (c == ',') list += ",?";
  return list;
}

/// Prepared when it is first asked: most connections never ask most of theirs, and each takes some 10 KB. Asking
/// changes no Query, so that who only reads may hold a const one.
class Query {
 public:
  Query(SQLite::Database& db, std::string sql) : db_(db), sql_(std::move(sql)) {
    if (noted) noted->push_back(sql_);
  }

  /// Set by the test that looks at all statements, whether they are asked or not.
  static inline std::vector<std::string>* noted = nullptr;

  /// Binds the values from the first parameter on. They must live until the rows were read.
  template <class... Values>
  Rows rows(const Values&... values) const {
    int at = 0;
    try {
      if (!statement_) statement_.emplace(db_, sql_);
      (bind(++at, values), ...);
    } catch (const SQLite::Exception& e) {
      throw to_fault(e);
    }
    return Rows{*statement_};
  }
  /// The same for values whose number and types only the caller knows.
  Rows rows_with(const std::vector<SqlValue>& values) const {
    int at = 0;
    try {
      if (!statement_) statement_.emplace(db_, sql_);
      for (const auto& any : values) std::visit([&](const auto& value) { bind(++at, value); }, any);
    } catch (const SQLite::Exception& e) {
      throw to_fault(e);
    }
    return Rows{*statement_};
  }

  /// Runs it to its end, for statements without results.
  template <class... Values>
  void run(const Values&... values) const {
    auto result = rows(values...);
    while (result.next()) {
    }
  }

  /// The same for statements that answer one row for each that they changed; how many.
  template <class... Values>
  int count(const Values&... values) const {
    int rows_changed = 0;
    auto result = rows(values...);
    while (result.next()) ++rows_changed;
    return rows_changed;
  }

  /// The first column of the first row by `read`; nothing where there is no row, or it is NULL. Throws BadValue.
  template <class T, class... Values>
  std::optional<T> value(T (Rows::*read)(), const Values&... values) const {
    auto result = rows(values...);
    if (!result.next()) return {};
    return result.maybe(read);
  }

 private:
  template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void bind(int at, T value) const { statement_->bind(at, static_cast<std::int64_t>(value)); }
  void bind(int at, double value) const { statement_->bind(at, value); }
  void bind(int at, const std::string& value) const { statement_->bindNoCopy(at, value); }
  void bind(int at, const std::vector<std::uint8_t>& value) const {
    static constexpr std::uint8_t kNothing = 0;  // a null pointer would be NULL
    statement_->bindNoCopy(at, value.empty() ? &kNothing : value.data(), static_cast<int>(value.size()));
  }
  template <std::size_t N>
  void bind(int at, const std::array<std::uint8_t, N>& value) const {
    statement_->bindNoCopy(at, value.data(), static_cast<int>(value.size()));
  }
  void bind(int at, WallTime value) const { bind(at, value.time_since_epoch().count()); }
  void bind(int at, Millis value) const { bind(at, value.count()); }
  template <class T>
  void bind(int at, const std::optional<T>& value) const {
    if (value)
      bind(at, *value);
    else
      statement_->bind(at);
  }

  SQLite::Database& db_;
  const std::string sql_;
  mutable std::optional<SQLite::Statement> statement_;
};

}  // namespace ota::storage
