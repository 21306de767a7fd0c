// Errors are values: a function that can fail returns Result<T>.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace ota {

/// All error codes. The first block has the `error` codes of docs/device-protocol.md, the second those of REST.
/// Only `wire/errors.hpp` maps them to texts and HTTP statuses.
enum class Errc {
  bad_message,
  unknown_device,
  not_authorized,
  unknown_task,
  no_such_firmware,
  wrong_hardware,
  downgrade,
  task_ended,
  bad_chunk_range,
  image_too_large,  ///< with the device's largest chunk size it would need more than kMaxChunks
  overloaded,
  server_fault,

  malformed,           ///< invalid input; `Error::fields` names the fields
  not_found,           ///< no such route or resource
  method_not_allowed,  ///< the path exists, but not with this method
  unauthenticated,     ///< no API key, or an unknown one
  forbidden,           ///< a valid key without the required role
  checksum_differs,    ///< differs from that of the stored firmware or the uploaded bytes
  already_installed,   ///< the device runs that version
  wrong_state,         ///< the task's state does not allow it
  in_use,              ///< a task needs that firmware
  version_exists,      ///< that version exists with different content
  key_reused,          ///< an Idempotency-Key that was used with another body
  signature_invalid,   ///< signature missing, invalid, or by an untrusted key
  untrusted_firmware,  ///< not signed by a key that is trusted at present
  too_large,           ///< body beyond its limit
  disk_full,
  image_damaged,     ///< stored bytes don't match their digest
  cancelled,         ///< the caller disconnected, or the daemon is stopping
  misdirected,       ///< the request's host is not a name of this server
  unsupported_type,  ///< a body with an unsupported type or coding
  too_many_new,      ///< over the limit of new devices (devices.unproven_per_minute)
  rollout_active,    ///< another rollout is open for that channel and hardware
  blocked,           ///< an operator blocked that firmware
  still_halted,      ///< a brake of the rollout still holds
  same_person,       ///< an approval by the creator
};

struct FieldError {
  std::string field;
  std::string message;
};

/// A message for people: what happened, to which device or task, and what to do.
struct Error {
  Errc code = Errc::server_fault;
  std::string message;
  std::vector<FieldError> fields{};
  int retry_after_s = 0;  ///< > 0 with Errc::overloaded
};

/// boost::system::result requires this; it is called when value() is used on an error, which is a bug in the caller.
[[noreturn]] inline void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::logic_error("value() of a failed result: " + error.message);
}

template <class T>
using Result = boost::system::result<T, Error>;

inline Error fail(Errc code, std::string message) { return Error{code, std::move(message)}; }

}  // namespace ota
