// Reading beside the engine: read-only connections on threads of their own.
#pragma once

#include <functional>

#include "ota/base/result.hpp"
#include "ota/storage/api_keys.hpp"
#include "ota/storage/audit_log.hpp"
#include "ota/storage/bad_rows.hpp"
#include "ota/storage/devices.hpp"
#include "ota/storage/event_log.hpp"
#include "ota/storage/webhooks.hpp"
#include "ota/storage/fault.hpp"
#include "ota/storage/firmware_catalogue.hpp"
#include "ota/storage/fleet.hpp"
#include "ota/storage/metadata.hpp"
#include "ota/storage/rollouts.hpp"
#include "ota/storage/tasks.hpp"
#include "ota/storage/transfer_log.hpp"

namespace ota::storage {

/// The rows as one reading thread sees them.
struct ReadView {
  Tasks& tasks;
  Devices& devices;
  Rollouts& rollouts;
  Fleet& fleet;
  TransferLog& log;
  const FirmwareCatalogue& firmware;
  const ApiKeys& keys;
  const AuditLog& audit;
  const EventLog& events;
  const Webhooks& webhooks;
  const Metadata& metadata;
};

/// Made by Backend::open_readers(). Thread-safe. Readers never wait for the engine, nor it for them.
class Readers {
 public:
  virtual ~Readers() = default;

  /// Runs `job` on a reading thread, in one read transaction; false where too many wait. `job` may throw Fault, which
  /// is logged and given to `failed` in words.
  [[nodiscard]] virtual bool post(std::function<void(ReadView&)> job, std::function<void(Error)> failed) = 0;
};

}  // namespace ota::storage
