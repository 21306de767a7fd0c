// Private keys and X.509 certificates of a small certificate authority of otad's own, over OpenSSL. Thread-safe. An
// internal failure of OpenSSL is thrown as std::runtime_error.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/result.hpp"

namespace ota::credentials {

/// A new EC key on P-256 (PKCS #8, PEM, without a password).
std::string new_key();

/// PEM. For an authority both are of it, and the key is secret.
struct Pair {
  std::string key;
  std::string certificate;
};

/// Whom a certificate is for.
struct Subject {
  std::string common_name;         ///< 1 to 64 bytes
  std::vector<std::string> names;  ///< host names and addresses (subjectAltName)
};

enum class Purpose { server, client };

/// The certificate of an authority that signs nothing but servers and clients.
std::string self_sign(const std::string& key, const std::string& common_name, WallTime from, std::chrono::days length);

/// A certificate for `key` by the authority, which ends with that of the authority at the latest. Errc::malformed if
/// the authority's key and certificate don't belong together, or the subject has an unfit name.
Result<std::string> issue(const Pair& authority, const std::string& key, const Subject& subject, Purpose purpose,
                          WallTime from, std::chrono::days length);

/// What setup looks at in a certificate.
struct Certificate {
  std::string common_name;
  std::vector<std::string> names;  ///< host names, then addresses
  WallTime end{};
};
/// The first certificate of a PEM text. Errc::malformed if there is none.
Result<Certificate> read_certificate(const std::string& pem);

/// Whether the certificate is of that key.
bool belong_together(const Pair& pair);
/// Whether the authority signed it.
bool issued_by(const std::string& certificate, const std::string& authority);

}  // namespace ota::credentials
