// What devices are answered, from values to JSON (protocol.md, Messages).
#pragma once

#include <string>

#include "ota/base/clock.hpp"
#include "ota/device/api.hpp"
#include "ota/domain/messages.hpp"
#include "ota/download/urls.hpp"
#include "ota/firmware/manifest_provider.hpp"

namespace ota::device {

/// More ranges of missing chunks than this are told in fewer, larger ones: the device's own record wins.
inline constexpr std::size_t kMaxMissingRanges = 1024;

/// Thread-safe but for set_public_url().
class Encoder {
 public:
  Encoder(const Options& options, const Clock& clock, const firmware::ManifestProvider& manifests);

  /// Before any traffic.
  void set_public_url(std::string url) { public_url_ = std::move(url); }

  /// The payload of its topic. Signed URLs made within the same minute are equal. An offer's digests are those of
  /// `grids`, where the grid is in memory and small enough.
  std::string payload(const Answer& answer, const std::string& base) const;

  /// The same in at most `max_bytes` and what the device takes (protocol.md, request): an offer leaves out `chunks`,
  /// merges `missing`, leaves out `url` and `manifest_url`, in that order and only what it must; an error's message is
  /// cut. Errc::bad_message where even that is too long.
  Result<std::string> encode(const Answer& answer, const std::string& base,
                             std::size_t max_bytes = std::string::npos) const;

 private:
  struct Shape;
  std::string write(const Answer& answer, const std::string& base, const Shape& shape) const;
  /// The offer's text as long as it may be, or else as short as it can be.
  std::string write_short(const Answer& answer, const Offer& offer, const std::string& base,
                          std::size_t max_bytes) const;

  std::string public_url_;
  std::chrono::seconds url_life_;
  std::size_t inline_chunks_;
  download::UrlSigner signer_;
  const Clock& clock_;
  const firmware::ManifestProvider& manifests_;
};

/// The payload of an `error` message; its text is cut to `max_bytes` and what the device takes.
std::string error_payload(const ErrorAnswer& answer, std::size_t max_bytes = std::string::npos);

/// What a device is told in place of an answer that encode() refused.
ErrorAnswer too_long(const Answer& answer, Error error);

/// The offer that `metadata` or `retry` carries; nullptr for other answers.
const Offer* offer_of(const Answer& answer);

}  // namespace ota::device
