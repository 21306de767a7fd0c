#pragma once

#include <span>

namespace ota::storage {

/// One numbered step of the schema, from migrations/NNNN_name.sql.
struct Migration {
  int number;
  const char* name;
  const char* sql;
};

/// All of them in order, built into the program.
std::span<const Migration> migrations();

}  // namespace ota::storage
