#include "events/webhook_delivery.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "events/address_rules.hpp"
#include "events/webhook_signature.hpp"

namespace ota::events {
namespace {

constexpr long kIdleConnectionSeconds = 60;
constexpr int kFirstFinalStatus = 200;
constexpr int kFirstRedirect = 300;
constexpr int kFirstClientError = 400;

}  // namespace

WebhookDelivery::WebhookDelivery(const std::string& url, const std::vector<std::string>& secrets,
                                 const WebhookRules& rules, const std::string& id, std::string body, WallTime now)
    : rules_(rules), body_(std::move(body)), handle_(curl::make_handle({}, "otad/" OTAD_VERSION)) {
  auto* const handle = handle_.get();
  add_headers(secrets, id, now);
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body_.size()));
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body_.data());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers_.get());
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(std::chrono::milliseconds(kTimeout).count()));
  curl_easy_setopt(handle, CURLOPT_MAXAGE_CONN, kIdleConnectionSeconds);
  curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);
  // A proxy of the environment would be connected to in the receiver's place.
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &discard);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, &open_socket);
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(handle, CURLOPT_PRIVATE, this);
}

void WebhookDelivery::add_headers(const std::vector<std::string>& secrets, const std::string& id, WallTime now) {
  const auto timestamp = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  const auto signature = webhook_signature(secrets, id, timestamp, body_);
  for (const auto& header :
       {std::string("Content-Type: application/cloudevents+json"), std::string("Expect:"), "webhook-id: " + id,
        fmt::format("webhook-timestamp: {}", timestamp), "webhook-signature: " + signature}) {
    auto* const longer = curl_slist_append(headers_.get(), header.c_str());
    if (!longer) throw std::bad_alloc();
    static_cast<void>(headers_.release());
    headers_.reset(longer);
  }
}

WebhookOutcome WebhookDelivery::outcome(CURLcode code) const {
  WebhookOutcome outcome;
  outcome.took =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began_);
  long status = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status >= kFirstFinalStatus) outcome.status = static_cast<int>(status);
  curl_off_t retry_after = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_RETRY_AFTER, &retry_after);
  outcome.retry_after = std::chrono::seconds(std::clamp<curl_off_t>(retry_after, 0, 86'400));
  if (outcome.status == 0)
    outcome.error = !refused_.empty()      ? refused_
                    : error_[0] != '\0'    ? error_
                    : code != CURLE_OK     ? curl_easy_strerror(code)
                                           : "the connection ended without an answer";
  else if (outcome.status >= kFirstRedirect)
    outcome.error = fmt::format("answered {}{}", outcome.status,
                                outcome.status < kFirstClientError ? "; redirects are not followed" : "");
  return outcome;
}

std::size_t WebhookDelivery::discard(char*, std::size_t, std::size_t size, void* self) {
  auto& delivery = *static_cast<WebhookDelivery*>(self);
  delivery.answered_bytes_ += size;
  return delivery.answered_bytes_ <= kMostOfAnswer ? size : 0;
}

/// What the name was resolved to, for each address that is tried.
curl_socket_t WebhookDelivery::open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto& delivery = *static_cast<WebhookDelivery*>(self);
  if (!delivery.rules_.allow_private && !is_public(address->addr)) {
    delivery.refused_ = fmt::format("leads to {}, a private address (the setting webhooks.allow_private permits it)",
                                    address_text(address->addr));
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

}  // namespace ota::events
