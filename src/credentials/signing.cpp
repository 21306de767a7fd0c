#include "ota/credentials/signing.hpp"

#include <openssl/pem.h>

#include <array>

#include "credentials/openssl.hpp"

namespace ota::credentials {
namespace {

constexpr std::size_t kSignatureBytes = 64;

}  // namespace

SigningKey new_signing_key() {
  const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const Bio open(BIO_new(BIO_s_mem()));
  require(key && open, "no Ed25519 key");
  require(PEM_write_bio_PUBKEY(open.get(), key.get()) == 1, "PEM");
  return {private_pem(key.get()), content_of(open.get())};
}

Result<std::string> sign(const std::string& secret_pem, std::string_view text) {
  const auto key = parse_key(secret_pem);
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519)
    return fail(Errc::malformed, "it is no Ed25519 private key in PEM form without a password");
  const DigestContext context(EVP_MD_CTX_new());
  std::array<unsigned char, kSignatureBytes> signature{};
  auto size = signature.size();
  require(context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1, "Ed25519");
  require(EVP_DigestSign(context.get(), signature.data(), &size, reinterpret_cast<const unsigned char*>(text.data()),
                         text.size()) == 1,
          "Ed25519");
  return base64(signature);
}

}  // namespace ota::credentials
