// Ed25519 keys that sign firmware, over OpenSSL. Thread-safe. An internal failure of OpenSSL is thrown as
// std::runtime_error.
#pragma once

#include <string>
#include <string_view>

#include "ota/base/result.hpp"

namespace ota::credentials {

/// In PEM (PKCS #8 without a password, SubjectPublicKeyInfo).
struct SigningKey {
  std::string secret_pem;
  std::string public_pem;
};
SigningKey new_signing_key();

/// Base64 of the signature of `text`. Errc::malformed unless the key is an Ed25519 private key without a password.
Result<std::string> sign(const std::string& secret_pem, std::string_view text);

}  // namespace ota::credentials
