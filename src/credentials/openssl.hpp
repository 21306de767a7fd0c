// OpenSSL's objects that free themselves, and their forms as text.
#pragma once

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <span>
#include <stdexcept>
#include <string>

namespace ota::credentials {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Free>;
using Cert = std::unique_ptr<X509, Free>;
using Extension = std::unique_ptr<X509_EXTENSION, Free>;
using Bio = std::unique_ptr<BIO, Free>;

inline void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(fmt::format("OpenSSL failed: {}", what));
}

/// What was written to a BIO in memory.
std::string content_of(BIO* bio);
Bio reader_of(const std::string& text);

/// A private key in PEM; null for anything else, and for a key with a password.
Key parse_key(const std::string& pem);
/// PKCS #8, PEM, without a password.
std::string private_pem(EVP_PKEY* key);

std::string base64(std::span<const unsigned char> bytes);

}  // namespace ota::credentials
