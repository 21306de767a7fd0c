// Signatures of Standard Webhooks 1.0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/domain/webhook.hpp"

namespace ota::events {

/// `whsec_` and the HMAC-SHA256 of the salt in base64.
std::string webhook_secret(std::string_view key, std::string_view salt);

/// The secrets that sign at that time.
std::vector<std::string> signing_secrets(const Webhook& webhook, std::string_view key, WallTime now);

/// The value of `webhook-signature`: for each secret `v1,<base64 HMAC-SHA256 of id.timestamp.body>`, with blanks
/// between. A secret that isn't one signs nothing.
std::string webhook_signature(const std::vector<std::string>& secrets, std::string_view id, std::int64_t timestamp,
                              std::string_view body);

}  // namespace ota::events
