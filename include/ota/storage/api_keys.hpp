#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ota/domain/api_key.hpp"

namespace ota::storage {

/// Operators' keys, by their names.
class ApiKeys {
 public:
  virtual ~ApiKeys() = default;

  virtual bool add(const ApiKey& key) = 0;           ///< false where the name is taken
  virtual void update(const ApiKey& key) = 0;        ///< all but `created` and `last_used`
  virtual bool remove(const std::string& name) = 0;  ///< whether it was there
  virtual void used(const std::string& name, WallTime at) = 0;

  virtual std::optional<ApiKey> find(const std::string& name) const = 0;
  virtual std::vector<ApiKey> all() const = 0;  ///< in the order of names
};

}  // namespace ota::storage
