// The rows by matter, on one SQLite connection, which must outlive them.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <memory>

#include "ota/storage/api_keys.hpp"
#include "ota/storage/audit_log.hpp"
#include "ota/storage/event_log.hpp"
#include "ota/storage/firmware_catalogue.hpp"
#include "ota/storage/idempotency_keys.hpp"
#include "ota/storage/metadata.hpp"
#include "ota/storage/webhooks.hpp"

namespace ota::storage {

std::unique_ptr<FirmwareCatalogue> make_firmware_catalogue(SQLite::Database& db);
std::unique_ptr<AuditLog> make_audit_log(SQLite::Database& db);
std::unique_ptr<EventLog> make_event_log(SQLite::Database& db);
std::unique_ptr<Webhooks> make_webhooks(SQLite::Database& db);
std::unique_ptr<ApiKeys> make_api_keys(SQLite::Database& db);
std::unique_ptr<Metadata> make_metadata(SQLite::Database& db);
std::unique_ptr<IdempotencyKeys> make_idempotency_keys(SQLite::Database& db);

}  // namespace ota::storage
