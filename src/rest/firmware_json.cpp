#include <nlohmann/json.hpp>

#include "rest/json.hpp"
#include "rest/or_null.hpp"

namespace ota::rest {
namespace {

Json signature_json(const std::optional<FirmwareSignature>& signature) {
  if (!signature) return nullptr;
  return {{"algorithm", "ed25519"}, {"key_id", signature->key_id}, {"value", signature->value}};
}

}  // namespace

Json firmware_json(const Firmware& firmware) {
  return {
      {"id", firmware.id},
      {"version", firmware.version},
      {"hardware", or_null(firmware.hardware)},
      {"size", firmware.size},
      {"checksum", to_checksum(firmware.checksum)},
      {"filename", or_null(firmware.file ? firmware.file->name : "")},
      {"sha1", or_null(firmware.file ? to_hex(firmware.file->sha1) : "")},
      {"md5", or_null(firmware.file ? to_hex(firmware.file->md5) : "")},
      {"security", firmware.security},
      {"notes", firmware.notes},
      {"signature", signature_json(firmware.signature)},
      {"created_at", to_rfc3339(firmware.created)},
      {"damaged", firmware.damaged},
      {"blocked", firmware.blocked.has_value()},
      {"blocked_reason", or_null(firmware.blocked.value_or(""))},
  };
}

}  // namespace ota::rest
