// A prepared statement with typed values in and out; SQLiteCpp's exceptions become Fault here.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/domain/digest.hpp"
#include "ota/storage/database.hpp"

namespace ota::storage {

inline Fault to_fault(const SQLite::Exception& e) {
  switch (e.getErrorCode()) {
    case SQLITE_FULL:
      return {Fault::Kind::disk_full, e.what()};
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_CORRUPT:
      return {Fault::Kind::io, e.what()};
    case SQLITE_CONSTRAINT:
      return {Fault::Kind::constraint, e.what()};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Fault::Kind::busy, e.what()};
    default:
      return {Fault::Kind::other, e.what()};
  }
}

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

  std::int64_t integer() { return statement_.getColumn(at_++).getInt64(); }
  int small() { return static_cast<int>(integer()); }
  bool flag() { return integer() != 0; }
  double real() { return statement_.getColumn(at_++).getDouble(); }
  std::string text() { return statement_.getColumn(at_++).getString(); }
  std::vector<std::uint8_t> blob() {
    const auto column = statement_.getColumn(at_++);
    const auto* data = static_cast<const std::uint8_t*>(column.getBlob());
    return data ? std::vector<std::uint8_t>(data, data + column.getBytes()) : std::vector<std::uint8_t>{};
  }
  Digest digest() {
    Digest digest{};
    const auto bytes = blob();
    std::copy_n(bytes.begin(), std::min(bytes.size(), digest.size()), digest.begin());
    return digest;
  }
  WallTime time() { return WallTime{Millis{integer()}}; }
  Millis millis() { return Millis{integer()}; }
  template <class E>
  E word() {
    return static_cast<E>(integer());
  }

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
  SQLite::Statement& statement_;
  int at_ = 0;
};

/// Prepared when it is first asked: most connections never ask most of theirs, and each takes some 10 KB.
class Query {
 public:
  Query(SQLite::Database& db, std::string sql) : db_(db), sql_(std::move(sql)) {
    if (noted) noted->push_back(sql_);
  }

  /// Set by the test that looks at all statements, whether they are asked or not.
  static inline std::vector<std::string>* noted = nullptr;

  /// Binds the values from the first parameter on. They must live until the rows were read.
  template <class... Values>
  Rows rows(const Values&... values) {
    int at = 0;
    try {
      if (!statement_) statement_.emplace(db_, sql_);
      (bind(++at, values), ...);
    } catch (const SQLite::Exception& e) {
      throw to_fault(e);
    }
    return Rows{*statement_};
  }

  /// Runs it to its end, for statements without results.
  template <class... Values>
  void run(const Values&... values) {
    auto result = rows(values...);
    while (result.next()) {
    }
  }

 private:
  template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void bind(int at, T value) { statement_->bind(at, static_cast<std::int64_t>(value)); }
  void bind(int at, double value) { statement_->bind(at, value); }
  void bind(int at, const std::string& value) { statement_->bindNoCopy(at, value); }
  void bind(int at, const std::vector<std::uint8_t>& value) {
    statement_->bindNoCopy(at, value.data(), static_cast<int>(value.size()));
  }
  void bind(int at, const Digest& value) { statement_->bindNoCopy(at, value.data(), static_cast<int>(value.size())); }
  void bind(int at, WallTime value) { bind(at, value.time_since_epoch().count()); }
  void bind(int at, Millis value) { bind(at, value.count()); }
  template <class T>
  void bind(int at, const std::optional<T>& value) {
    if (value)
      bind(at, *value);
    else
      statement_->bind(at);
  }

  SQLite::Database& db_;
  const std::string sql_;
  std::optional<SQLite::Statement> statement_;
};

}  // namespace ota::storage
