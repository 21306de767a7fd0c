#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ota::storage {

/// The database's own small values, by name: where the engine's timeline was.
class Metadata {
 public:
  virtual ~Metadata() = default;

  virtual std::optional<std::string> value(const std::string& name) const = 0;
  virtual void set_value(const std::string& name, const std::string& value) = 0;
  /// Bytes of all pages, without those that a log still has.
  virtual std::uint64_t database_bytes() const = 0;
};

}  // namespace ota::storage
