// What devices are answered, from values to JSON (protocol.md, Messages).
#pragma once

#include <string>

#include "api/url_signer.hpp"
#include "ota/api/device_api.hpp"
#include "ota/base/clock.hpp"
#include "ota/domain/messages.hpp"
#include "ota/firmware/grids.hpp"

namespace ota::api {

/// More ranges of missing chunks than this are told in fewer, larger ones: the device's own record wins.
inline constexpr std::size_t kMaxMissingRanges = 1024;

/// Thread-safe but for set_public_url().
class DeviceEncoder {
 public:
  DeviceEncoder(const DeviceOptions& options, const Clock& clock, const firmware::Grids& grids);

  /// Before any traffic.
  void set_public_url(std::string url) { public_url_ = std::move(url); }

  /// The payload of its topic. Signed URLs made within the same minute are equal. An offer's digests are those of
  /// `grids`, where the grid is in memory and small enough.
  std::string payload(const Answer& answer, const std::string& base) const;

 private:
  std::string public_url_;
  std::chrono::seconds url_life_;
  std::size_t inline_chunks_;
  UrlSigner signer_;
  const Clock& clock_;
  const firmware::Grids& grids_;
};

/// The payload of an `error` message.
std::string error_payload(const ErrorAnswer& answer);

}  // namespace ota::api
