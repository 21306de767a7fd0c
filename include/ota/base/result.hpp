// Errors are values: a function that can fail answers Result<T>.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace ota {

/// Every refusal that otad knows. The first block is protocol.md's `error` codes, the second the
/// operators' REST codes. `api/errors.hpp` is the one place that maps them to words and statuses.
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
  image_too_large,  ///< more chunks than a task may have, of the size that the device takes
  overloaded,
  server_fault,

  malformed,           ///< input that breaks a rule; `Error::fields` names the places
  not_found,           ///< no such route or thing
  method_not_allowed,  ///< the path exists, not with this method
  unauthenticated,     ///< no or a wrong API key
  forbidden,           ///< a right key whose role is too low
  checksum_differs,    ///< not the checksum of the stored firmware, or of the bytes uploaded
  already_installed,   ///< the device runs that version
  wrong_state,         ///< the task's state does not allow it
  in_use,              ///< a task needs that firmware
  version_exists,      ///< that version is there with other content
  key_reused,          ///< an Idempotency-Key that came with another body
  signature_invalid,   ///< signature missing, wrong, or by an untrusted key
  untrusted_firmware,  ///< its signature is missing, or not by a key that is trusted now
  too_large,           ///< body beyond its limit
  disk_full,
  image_damaged,     ///< stored bytes no longer have their digest
  cancelled,         ///< the caller went away, or the daemon is stopping
  misdirected,       ///< the request names a host that this daemon isn't called
  unsupported_type,  ///< a body of a type or coding that isn't taken there
  too_many_new,      ///< more new devices at once than are taken in (devices.unproven_per_minute)
};

struct FieldError {
  std::string field;
  std::string message;
};

/// What happened, to which device or task, and what to do, in words for a person.
struct Error {
  Errc code = Errc::server_fault;
  std::string message;
  std::vector<FieldError> fields{};
  int retry_after_s = 0;  ///< > 0 with Errc::overloaded
};

/// boost::system::result asks for this when value() is called on an error: a bug in the caller.
[[noreturn]] inline void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::logic_error("value() of a failed result: " + error.message);
}

template <class T>
using Result = boost::system::result<T, Error>;

inline Error fail(Errc code, std::string message) { return Error{code, std::move(message)}; }

}  // namespace ota
