// One attempt to post one event.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/curl/handle.hpp"
#include "ota/events/webhooks.hpp"

namespace ota::events {

/// Used by the sender's thread. Its handle is added to a multi handle, and removed before it goes.
class WebhookDelivery {
 public:
  static constexpr std::chrono::seconds kTimeout{15};
  static constexpr std::size_t kMostOfAnswer = 64 * 1024;  ///< bytes that are read, and thrown away

  /// `id`: that of the event.
  WebhookDelivery(const std::string& url, const std::vector<std::string>& secrets, const WebhookRules& rules,
                  const std::string& id, std::string body, WallTime now);
  WebhookDelivery(const WebhookDelivery&) = delete;
  WebhookDelivery& operator=(const WebhookDelivery&) = delete;

  CURL* handle() { return handle_.get(); }
  /// After its end. The status line decides; what comes of the body doesn't matter.
  WebhookOutcome outcome(CURLcode code) const;

 private:
  static std::size_t discard(char* data, std::size_t one, std::size_t size, void* self);
  static curl_socket_t open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  void add_headers(const std::vector<std::string>& secrets, const std::string& id, WallTime now);

  const WebhookRules rules_;
  const std::string body_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::size_t answered_bytes_ = 0;
  std::string refused_;  // the address that it may not be connected to
  char error_[CURL_ERROR_SIZE] = "";
  curl::Headers headers_;
  curl::Handle handle_;
};

}  // namespace ota::events
