#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ota/domain/webhook.hpp"

namespace ota::storage {

class Webhooks {
 public:
  virtual ~Webhooks() = default;

  /// Gives it its id.
  virtual void insert(Webhook& webhook) = 0;
  virtual void update(const Webhook& webhook) = 0;
  /// False where it wasn't there.
  virtual bool remove(std::int64_t id) = 0;

  virtual std::optional<Webhook> find(std::int64_t id) const = 0;
  /// By id.
  virtual std::vector<Webhook> all() const = 0;
};

}  // namespace ota::storage
