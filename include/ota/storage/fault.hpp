#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace ota::storage {

/// The storage failed: the unit of work it happened in must be undone. A row that isn't there is no fault.
class Fault : public std::runtime_error {
 public:
  enum class Kind : std::uint8_t {
    constraint,  ///< a rule of the schema refused one statement: undoing the nested unit is enough
    retryable,   ///< another writer held the database; the same unit may succeed when it is tried again
    ambiguous,   ///< a commit failed and may be on disk all the same: only what is read afterwards says so
    broken       ///< I/O error, no room, corruption: nothing succeeds before the connection is opened again
  };
  Fault(Kind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  Kind kind() const noexcept { return kind_; }

 private:
  Kind kind_;
};

}  // namespace ota::storage
