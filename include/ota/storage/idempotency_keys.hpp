#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ota/base/clock.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/task_state.hpp"

namespace ota::storage {

/// What an order that came with an Idempotency-Key was answered.
struct AnsweredOrder {
  Digest body{};  ///< SHA-256 of the request that came with the key
  std::int64_t task = 0;
  bool created = false;
  TaskState state = TaskState::queued;  ///< as it was answered
  WallTime at{};
};

/// Answers by Idempotency-Key, so that a repeat gets the first one.
class IdempotencyKeys {
 public:
  virtual ~IdempotencyKeys() = default;

  virtual std::optional<AnsweredOrder> answered(const std::string& key) const = 0;
  /// Fault::Kind::constraint where the key is there.
  virtual void remember(const std::string& key, const AnsweredOrder& answer) = 0;
  /// Removes answers older than `before`, at most `limit`; answers how many.
  virtual int forget(WallTime before, int limit) = 0;
};

}  // namespace ota::storage
