// Messages to devices, from values to JSON (docs/device-protocol.md, Messages).
#pragma once

#include <string>

#include "ota/base/clock.hpp"
#include "ota/device/api.hpp"
#include "ota/domain/messages.hpp"
#include "ota/download/urls.hpp"
#include "ota/firmware/manifest_provider.hpp"

namespace ota::device {

/// Beyond this number, ranges of missing chunks are merged into larger ones: the device's own record has precedence.
inline constexpr std::size_t kMaxMissingRanges = 1024;

/// Thread-safe except for set_public_url().
class Encoder {
 public:
  Encoder(const Options& options, const Clock& clock, const firmware::ManifestProvider& manifests);

  /// Precondition: no traffic yet.
  void set_public_url(std::string url) { public_url_ = std::move(url); }

  /// The payload of its topic. Signed URLs made within the same minute are equal. An offer's digests are those of
  /// `manifests`, if the chunk layout is in memory and small enough. Within `max_bytes` and the device's limit
  /// (docs/device-protocol.md, request): an offer leaves out `chunks`, merges `missing`, leaves out `url` and
  /// `manifest_url`, in that order and only as needed; an error's message is cut. Errc::bad_message if even that is too
  /// long.
  Result<std::string> encode(const Answer& answer, const std::string& base,
                             std::size_t max_bytes = std::string::npos) const;

  /// The signed URL of the offer's image.
  std::string image_url(const Offer& offer, const std::string& base) const;
  /// `base`, or the public URL if that is empty.
  const std::string& base_url(const std::string& base) const { return base.empty() ? public_url_ : base; }

 private:
  struct Shape;
  std::string write(const Answer& answer, const std::string& base, const Shape& shape) const;
  /// The longest text of the offer within the limit; if none fits, the shortest one.
  std::string write_short(const Answer& answer, const Offer& offer, const std::string& base,
                          std::size_t max_bytes) const;

  std::string public_url_;
  std::chrono::seconds url_life_;
  std::size_t inline_chunks_;
  download::UrlSigner signer_;
  const Clock& clock_;
  const firmware::ManifestProvider& manifests_;
};

/// The payload of an `error` message; its text is cut to `max_bytes` and the device's limit.
std::string error_payload(const ErrorAnswer& answer, std::size_t max_bytes = std::string::npos);

/// The `error` payload that replaces an answer which encode() refused.
ErrorAnswer too_long(const Answer& answer, Error error);

/// The offer that `metadata` or `retry` carries; nullptr for other answers.
const Offer* offer_of(const Answer& answer);

}  // namespace ota::device
