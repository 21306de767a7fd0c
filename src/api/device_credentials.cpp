#include "api/device_credentials.hpp"

#include <algorithm>

#include "api/device_decode.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::api {

std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return {};
  const bool bearer = std::equal(kScheme.begin(), kScheme.end(), authorization.begin(),
                                 [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); });
  if (!bearer) return {};
  auto token = authorization.substr(kScheme.size());
  while (!token.empty() && token.front() == ' ') token.remove_prefix(1);
  while (!token.empty() && token.back() == ' ') token.remove_suffix(1);
  return token;
}

Credentials token_credentials(std::string_view token) {
  Credentials who;
  if (token.empty()) return who;
  who.token_digest = firmware::sha256(token);
  who.token_fit = fit_secret(token);
  return who;
}

Credentials http_credentials(const http::Request& request, const DeviceId& device, Credentials message) {
  const auto token = bearer_token(request.header("Authorization"));
  if (!token.empty()) message = token_credentials(token);
  message.certified = request.client_name() == device.str();
  if (message.token_digest) message.remote = request.remote();
  return message;
}

}  // namespace ota::api
