#include "device/credentials.hpp"

#include "device/decode.hpp"
#include "ota/firmware/hash.hpp"
#include "ota/wire/bearer.hpp"

namespace ota::device {

Credentials token_credentials(std::string_view token) {
  Credentials who;
  if (token.empty()) return who;
  who.token_digest = firmware::sha256(token);
  who.token_fit = fit_secret(token);
  return who;
}

Credentials http_credentials(const http::Request& request, const DeviceId& device, Credentials message) {
  const auto token = wire::bearer_token(request.header("Authorization"));
  if (!token.empty()) message = token_credentials(token);
  message.client = fit_client(request.header("User-Agent"));
  message.certified = request.client_name() == device.str();
  if (message.token_digest) message.remote = request.remote();
  return message;
}

}  // namespace ota::device
