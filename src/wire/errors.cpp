#include "ota/wire/errors.hpp"

#include <fmt/format.h>

#include "ota/http/problem.hpp"

namespace ota::wire {
namespace {

struct Row {
  Errc errc;
  std::string_view rest;      ///< problem+json's code
  std::string_view protocol;  ///< code of a device's `error` message
  unsigned status;
  std::string_view title;
};

constexpr Row kRows[] = {
    {Errc::bad_message, "bad_message", "bad_message", 400, "The message does not follow the protocol"},
    {Errc::unknown_device, "unknown_device", "unknown_device", 404, "No such device"},
    {Errc::not_authorized, "not_authorized", "not_authorized", 403, "Not authorized"},
    {Errc::unknown_task, "unknown_task", "unknown_task", 404, "No such task"},
    {Errc::no_such_firmware, "no_such_firmware", "no_such_firmware", 404, "No such firmware"},
    {Errc::wrong_hardware, "wrong_hardware", "wrong_hardware", 409, "The firmware is for other hardware"},
    {Errc::downgrade, "downgrade", "downgrade", 409, "It would be a downgrade"},
    {Errc::task_ended, "task_ended", "task_ended", 409, "The task has ended"},
    {Errc::bad_chunk_range, "bad_chunk_range", "bad_chunk_range", 400, "No such chunk"},
    {Errc::image_too_large, "image_too_large", "image_too_large", 409,
     "The device's chunks are too small for the image"},
    {Errc::overloaded, "overloaded", "overloaded", 503, http::kOverloaded},
    {Errc::server_fault, "server_fault", "server_fault", 503, http::kServerFault},
    {Errc::malformed, "malformed", "bad_message", 422, "The input breaks a rule"},
    {Errc::not_found, "not_found", "bad_message", 404, "Not found"},
    {Errc::method_not_allowed, "method_not_allowed", "bad_message", 405, "Method not allowed"},
    {Errc::unauthenticated, "unauthenticated", "not_authorized", 401, "Authentication is needed"},
    {Errc::forbidden, "forbidden", "not_authorized", 403, "Not allowed"},
    {Errc::checksum_differs, "checksum_differs", "bad_message", 409, "The checksum differs"},
    {Errc::already_installed, "already_installed", "bad_message", 409, "The device runs that version already"},
    {Errc::wrong_state, "wrong_state", "task_ended", 409, "Its state does not allow it"},
    {Errc::in_use, "in_use", "server_fault", 409, "It is in use"},
    {Errc::version_exists, "version_exists", "server_fault", 409, "That version exists with other content"},
    {Errc::key_reused, "key_reused", "bad_message", 422, "The Idempotency-Key was used with another body"},
    {Errc::signature_invalid, "signature_invalid", "server_fault", 422, "The signature is missing or wrong"},
    {Errc::untrusted_firmware, "untrusted_firmware", "no_such_firmware", 409, "The firmware is not trusted"},
    {Errc::too_large, "too_large", "bad_message", 413, "Too large"},
    {Errc::disk_full, "disk_full", "server_fault", 507, "The disk is full"},
    {Errc::image_damaged, "image_damaged", "server_fault", 503, http::kImageDamaged},
    {Errc::cancelled, "cancelled", "overloaded", 503, "The server is stopping"},
    {Errc::misdirected, "misdirected_request", "not_authorized", 421, "The request is for another server"},
    {Errc::unsupported_type, "unsupported_media_type", "bad_message", 415, "Unsupported content type"},
    {Errc::too_many_new, "too_many_new", "overloaded", 503, "Too many new devices at once"},
    {Errc::rollout_active, "rollout_active", "server_fault", 409, "Another rollout is open there"},
    {Errc::blocked, "blocked", "no_such_firmware", 409, "The firmware is blocked"},
    {Errc::still_halted, "still_halted", "server_fault", 409, "A brake of the rollout still holds"},
    {Errc::same_person, "same_person", "not_authorized", 403, "Another person must approve"},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < std::size(kRows); ++i)
    if (static_cast<std::size_t>(kRows[i].errc) != i) return false;
  return true;
}
static_assert(in_order(), "a row for each Errc, in its order");

const Row& row(Errc code) {
  const auto index = static_cast<std::size_t>(code);
  return index < std::size(kRows) ? kRows[index] : kRows[static_cast<std::size_t>(Errc::server_fault)];
}

constexpr int kDefaultRetryS = 5;

}  // namespace

std::string_view protocol_code(Errc code) { return row(code).protocol; }
std::string_view rest_code(Errc code) { return row(code).rest; }
unsigned http_status(Errc code) { return row(code).status; }

int retry_after_s(const Error& error) {
  if (error.retry_after_s > 0) return error.retry_after_s;
  return error.code == Errc::overloaded || error.code == Errc::cancelled ? kDefaultRetryS : 0;
}

Error overloaded(std::string message, int retry_after_s) {
  auto error = fail(Errc::overloaded, std::move(message));
  error.retry_after_s = retry_after_s;
  return error;
}

http::Reply problem_reply(const Error& error) { return problem_reply(error, http_status(error.code)); }

http::Reply problem_reply(const Error& error, unsigned status) {
  const Row& known = row(error.code);
  const std::string_view detail = error.message.empty() ? known.title : std::string_view(error.message);
  auto reply = http::problem({status, known.rest, known.title, detail, error.fields});
  add_error_headers(reply, error);
  return reply;
}

void add_error_headers(http::Reply& reply, const Error& error) {
  if (const int wait = retry_after_s(error); wait > 0 && (reply.status == 503 || reply.status == 429))
    reply.headers.push_back({"Retry-After", std::to_string(wait)});
  if (reply.status == 401) reply.headers.push_back({"WWW-Authenticate", "Bearer"});
  if (reply.status == 415) reply.headers.push_back({"Accept-Encoding", "identity"});  // RFC 9110, 15.5.16
}

Error method_not_allowed(std::string_view allow) {
  return fail(Errc::method_not_allowed, fmt::format("this path takes {}", allow));
}

http::Reply method_not_allowed_reply(std::string_view allow) {
  auto reply = problem_reply(method_not_allowed(allow));
  reply.headers.push_back({"Allow", std::string(allow)});
  return reply;
}

}  // namespace ota::wire
