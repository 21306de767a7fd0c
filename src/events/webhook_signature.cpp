#include "events/webhook_signature.hpp"

#include "ota/events/webhooks.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::events {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::size_t kSaltBytes = 16;

}  // namespace

std::string make_webhook_salt() { return firmware::base64url(firmware::random_bytes(kSaltBytes)); }

std::string webhook_secret(std::string_view key, std::string_view salt) {
  const auto message = "otad-webhook-v1:" + std::string(salt);
  return std::string(kSecretPrefix) + firmware::base64(firmware::hmac_sha256(key, message));
}

std::vector<std::string> signing_secrets(const Webhook& webhook, std::string_view key, WallTime now) {
  std::vector<std::string> secrets{webhook_secret(key, webhook.salt)};
  if (!webhook.old_salt.empty() && webhook.old_until && now < *webhook.old_until)
    secrets.push_back(webhook_secret(key, webhook.old_salt));
  return secrets;
}

std::string webhook_signature(const std::vector<std::string>& secrets, std::string_view id, std::int64_t timestamp,
                              std::string_view body) {
  std::string message(id);
  message += '.';
  message += std::to_string(timestamp);
  message += '.';
  message += body;
  std::string value;
  for (const std::string_view secret : secrets) {
    if (!secret.starts_with(kSecretPrefix)) continue;
    const auto key = firmware::parse_base64(secret.substr(kSecretPrefix.size()));
    if (!key || key->empty()) continue;
    const std::string_view bytes(reinterpret_cast<const char*>(key->data()), key->size());
    if (!value.empty()) value += ' ';
    value += "v1," + firmware::base64(firmware::hmac_sha256(bytes, message));
  }
  return value;
}

}  // namespace ota::events
