// Throw-away keys and certificates for TLS tests.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

namespace ota::http::test {

using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using CertPtr = std::unique_ptr<X509, decltype(&X509_free)>;

struct Identity {
  KeyPtr key{nullptr, EVP_PKEY_free};
  CertPtr cert{nullptr, X509_free};
};

/// Signed by `issuer`, or by itself as a CA. Server certificates name 127.0.0.1. `rsa_bits`: 0 makes an EC key.
inline Identity make_identity(const std::string& name, const Identity* issuer, unsigned rsa_bits = 0) {
  static long serial = 1;
  Identity identity;
  identity.key.reset(rsa_bits > 0 ? EVP_RSA_gen(rsa_bits) : EVP_EC_gen("P-256"));
  identity.cert.reset(X509_new());
  X509* cert = identity.cert.get();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
  X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert), 24 * 3600);
  X509_set_pubkey(cert, identity.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()), -1, 0);
  const Identity& signer = issuer ? *issuer : identity;
  X509_set_issuer_name(cert, X509_get_subject_name(signer.cert.get()));
  X509V3_CTX context;
  X509V3_set_ctx(&context, signer.cert.get(), cert, nullptr, nullptr, 0);
  const auto add = [&](int nid, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
  };
  if (issuer) {
    add(NID_subject_alt_name, "IP:127.0.0.1");
  } else {
    add(NID_basic_constraints, "critical,CA:TRUE");
  }
  X509_sign(cert, signer.key.get(), EVP_sha256());
  return identity;
}

/// A folder of PEM files that goes with it.
class PemFolder {
 public:
  PemFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "otad-tls-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~PemFolder() { std::filesystem::remove_all(path_); }

  std::string path(const std::string& name) const { return (path_ / name).string(); }
  void write(const std::string& name, const Identity& identity) const {
    FILE* cert = std::fopen(path(name + ".pem").c_str(), "w");
    PEM_write_X509(cert, identity.cert.get());
    std::fclose(cert);
    FILE* key = std::fopen(path(name + ".key").c_str(), "w");
    PEM_write_PrivateKey(key, identity.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(key);
  }
  void write_encrypted_key(const std::string& name) const {
    const KeyPtr key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const unsigned char password[] = "x";
    FILE* file = std::fopen(path(name).c_str(), "w");
    PEM_write_PrivateKey(file, key.get(), EVP_aes_128_cbc(), password, 1, nullptr, nullptr);
    std::fclose(file);
  }
  void write_der(const std::string& name, const Identity& identity) const {
    FILE* file = std::fopen(path(name).c_str(), "w");
    i2d_X509_fp(file, identity.cert.get());
    std::fclose(file);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace ota::http::test
