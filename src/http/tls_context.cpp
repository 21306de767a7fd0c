#include "http/tls_context.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>
#include <unistd.h>

#include <boost/asio/ssl/context.hpp>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

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

/// What is wrong with the file, and what to do about it; `wanted`: what should be in it.
std::string fault_of(const std::string& file, std::string_view wanted, const boost::system::error_code& ec) {
  std::error_code unknown;
  if (std::filesystem::is_directory(file, unknown)) return "it is a folder; name a file";
  if (::access(file.c_str(), R_OK) != 0) return std::strerror(errno);
  const auto code = static_cast<unsigned long>(ec.value());
  if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
    switch (ERR_GET_REASON(code)) {
      case SSL_R_EE_KEY_TOO_SMALL:
      case SSL_R_CA_KEY_TOO_SMALL:
        return "its key is too small to be safe; make a new one, of 2048 bits or more for RSA";
      case SSL_R_CA_MD_TOO_WEAK:
        return "its signature is too weak to be safe; have it signed anew, with SHA-256 or better";
      default:
        break;
    }
  }
  return fmt::format("it holds no {} in PEM form ({}); DER must be converted, by openssl with -inform der", wanted,
                     ec.message());
}

Error unusable(std::string_view what, const std::string& file, std::string_view fault) {
  return fail(Errc::malformed, fmt::format("can't use {} {}: {}", what, file, fault));
}

/// OpenSSL compares a key of the certificate's type while it reads it.
bool is_mismatch(const boost::system::error_code& ec) {
  const auto code = static_cast<unsigned long>(ec.value());
  return ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH;
}

/// Gives no password, and notes that one was wanted. By default OpenSSL asks at the terminal.
int refuse_password(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Result<void> read_key(ssl::context& context, const TlsOptions& options) {
  SSL_CTX* native = context.native_handle();
  bool asked = false;
  boost::system::error_code ec;
  SSL_CTX_set_default_passwd_cb(native, refuse_password);
  SSL_CTX_set_default_passwd_cb_userdata(native, &asked);
  context.use_private_key_file(options.key_file, ssl::context::pem, ec);
  SSL_CTX_set_default_passwd_cb_userdata(native, nullptr);  // the context would delete it
  if (asked)
    return unusable("the TLS key", options.key_file,
                    "it is encrypted, and nobody can give a password at the start; store it without one: openssl pkey "
                    "-in KEY -out NEW");
  if (ec && !is_mismatch(ec))
    return unusable("the TLS key", options.key_file, fault_of(options.key_file, "private key", ec));
  if (!ec && SSL_CTX_check_private_key(native) == 1) return {};
  return fail(Errc::malformed,
              fmt::format("the TLS key {} does not match the certificate {}", options.key_file, options.cert_file));
}

Result<void> read_client_ca(ssl::context& context, const std::string& file) {
  boost::system::error_code ec;
  context.load_verify_file(file, ec);
  if (ec) return unusable("the client CA", file, fault_of(file, "certificate", ec));
  // Names the CA in the handshake, so that clients know which of their certificates to show.
  if (STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(file.c_str()))
    SSL_CTX_set_client_CA_list(context.native_handle(), names);
  context.set_verify_mode(ssl::verify_peer);
  return {};
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
  if (ec)
    return unusable("the TLS certificate", options.cert_file, fault_of(options.cert_file, "certificate", ec));
  if (auto key = read_key(*context, options); !key) return key.error();
  if (!options.client_ca.empty()) {
    if (auto ca = read_client_ca(*context, options.client_ca); !ca) return ca.error();
  }
  return context;
} catch (const std::exception& error) {
  return fail(Errc::server_fault, fmt::format("can't set TLS up: {}", error.what()));
}

Result<void> check_tls(const TlsOptions& options) {
  const auto context = make_tls_context(options);
  return context ? Result<void>() : context.error();
}

std::optional<std::int64_t> certificate_end(boost::asio::ssl::context& context) {
  const auto* certificate = SSL_CTX_get0_certificate(context.native_handle());
  std::tm end{};
  if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) return std::nullopt;
  return timegm(&end);
}

}  // namespace ota::http
