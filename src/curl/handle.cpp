#include "ota/curl/handle.hpp"

namespace ota::curl {
namespace {

constexpr long kConnectSeconds = 8;

std::size_t take(char* data, std::size_t, std::size_t size, void* to) {
  auto& body = *static_cast<Body*>(to);
  if (body.bytes.size() + size > body.limit) return 0;
  body.bytes.append(data, size);
  return size;
}

}  // namespace

Handle make_handle(const TlsFiles& tls, const char* program) {
  Handle handle(curl_easy_init());
  curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(handle.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle.get(), CURLOPT_USERAGENT, program);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, &take);
  if (!tls.ca_file.empty()) curl_easy_setopt(handle.get(), CURLOPT_CAINFO, tls.ca_file.c_str());
  if (!tls.cert_file.empty()) curl_easy_setopt(handle.get(), CURLOPT_SSLCERT, tls.cert_file.c_str());
  if (!tls.key_file.empty()) curl_easy_setopt(handle.get(), CURLOPT_SSLKEY, tls.key_file.c_str());
  return handle;
}

void receive_into(CURL* handle, Body& body) { curl_easy_setopt(handle, CURLOPT_WRITEDATA, &body); }

}  // namespace ota::curl
