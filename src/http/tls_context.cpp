#include "http/tls_context.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>

#include <boost/asio/ssl/context.hpp>
#include <cstring>
#include <ctime>

namespace ota::http {
namespace ssl = boost::asio::ssl;

namespace {

/// Chooses http/1.1 where the client offers protocols; offers without it are passed over.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                    void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOurs, sizeof kOurs - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

Error unusable(std::string_view what, const std::string& file, const boost::system::error_code& ec) {
  return fail(Errc::malformed,
              fmt::format("can't use {} {}: {}; it must be a PEM file that otad may read", what, file, ec.message()));
}

/// OpenSSL compares a key of the certificate's type while it reads it.
bool is_mismatch(const boost::system::error_code& ec) {
  const auto code = static_cast<unsigned long>(ec.value());
  return ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH;
}

}  // namespace

Result<std::shared_ptr<ssl::context>> make_tls_context(const TlsOptions& options) try {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(native, "ECDHE+AESGCM:ECDHE+CHACHA20");
  // Finite-field groups cost the server far more than the client that asks for them, and the smallest is weak.
  SSL_CTX_set1_groups_list(native, "X25519:P-256:X448:P-384:P-521");
  SSL_CTX_set_options(native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                  SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(native, choose_protocol, nullptr);
  static constexpr unsigned char kSessionContext[] = "otad";
  SSL_CTX_set_session_id_context(native, kSessionContext, sizeof kSessionContext - 1);

  boost::system::error_code ec;
  context->use_certificate_chain_file(options.cert_file, ec);
  if (ec) return unusable("the TLS certificate", options.cert_file, ec);
  context->use_private_key_file(options.key_file, ssl::context::pem, ec);
  if (ec && !is_mismatch(ec)) return unusable("the TLS key", options.key_file, ec);
  if (ec || SSL_CTX_check_private_key(native) != 1) {
    return fail(Errc::malformed, fmt::format("the TLS key {} does not match the certificate {}", options.key_file,
                                             options.cert_file));
  }
  if (!options.client_ca.empty()) {
    context->load_verify_file(options.client_ca, ec);
    if (ec) return unusable("the client CA", options.client_ca, ec);
    // Names the CA in the handshake, so that clients know which of their certificates to show.
    if (STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(options.client_ca.c_str())) {
      SSL_CTX_set_client_CA_list(native, names);
    }
    context->set_verify_mode(ssl::verify_peer);
  }
  return context;
} catch (const std::exception& error) {
  return fail(Errc::server_fault, fmt::format("can't set TLS up: {}", error.what()));
}

std::optional<std::int64_t> certificate_end(boost::asio::ssl::context& context) {
  const auto* certificate = SSL_CTX_get0_certificate(context.native_handle());
  std::tm end{};
  if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) return std::nullopt;
  return timegm(&end);
}

}  // namespace ota::http
