#include "ota/credentials/certificates.hpp"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "credentials/openssl.hpp"
#include "ota/base/url.hpp"

namespace ota::credentials {
namespace {

constexpr std::size_t kLongestCommonName = 64;  ///< RFC 5280, ub-common-name
constexpr int kSerialBits = 127;                ///< RFC 5280: up to 20 bytes, positive
/// Devices' clocks may be a little late.
constexpr std::chrono::hours kBefore{24};

Cert parse_certificate(const std::string& pem) {
  Cert certificate(PEM_read_bio_X509(reader_of(pem).get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

std::string to_pem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  require(bio && PEM_write_bio_X509(bio.get(), certificate) == 1, "PEM");
  return content_of(bio.get());
}

/// By its parts: time_t has 32 bits on armhf, and certificates last beyond 2038.
void set_time(ASN1_TIME* to, WallTime time) {
  auto text = to_rfc3339(time);  // 2026-11-22T08:30:00Z
  std::erase_if(text, [](char c) { return c == '-' || c == ':' || c == 'T'; });
  require(ASN1_TIME_set_string_X509(to, text.c_str()) == 1, "validity");
}

WallTime end_of(X509* certificate) {
  using namespace std::chrono;
  std::tm parts{};
  require(ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1, "notAfter");
  const sys_days day = year{parts.tm_year + 1900} / (parts.tm_mon + 1) / parts.tm_mday;
  return WallTime(day) + hours(parts.tm_hour) + minutes(parts.tm_min) + seconds(parts.tm_sec);
}

void add_extension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1, value);
}

/// All but the extensions and the signature.
Cert begin(EVP_PKEY* key, const std::string& common_name, WallTime from, WallTime end) {
  Cert certificate(X509_new());
  require(certificate && X509_set_version(certificate.get(), X509_VERSION_3) == 1, "X509");
  BIGNUM* serial = BN_new();
  const bool made = serial && BN_rand(serial, kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                    BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate.get())) != nullptr;
  BN_free(serial);
  require(made, "serial number");
  set_time(X509_getm_notBefore(certificate.get()), from - kBefore);
  set_time(X509_getm_notAfter(certificate.get()), end);
  require(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                                     reinterpret_cast<const unsigned char*>(common_name.data()),
                                     static_cast<int>(common_name.size()), -1, 0) == 1,
          "common name");
  require(X509_set_pubkey(certificate.get(), key) == 1, "public key");
  return certificate;
}

/// `DNS:gw.example,IP:192.0.2.10`; empty if a name is unfit.
std::string alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) {
    const auto written = name.find(':') == std::string::npos ? name : "[" + name + "]";
    const auto parts = parse_authority(written);
    if (!parts || parts->has_port || parts->host.find('%') != std::string_view::npos) return {};
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", parts->kind == HostKind::name ? "DNS" : "IP", name);
  }
  return text;
}

std::string address_text(const ASN1_OCTET_STRING* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
  return ::inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size()) ? text.data() : "";
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  std::vector<std::string> addresses;
  auto* all = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const auto* name = sk_GENERAL_NAME_value(all, i);
    if (name->type == GEN_DNS)
      names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                         static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    if (name->type == GEN_IPADD) addresses.push_back(address_text(name->d.iPAddress));
  }
  GENERAL_NAMES_free(all);
  names.insert(names.end(), addresses.begin(), addresses.end());
  return names;
}

}  // namespace

std::string new_key() {
  const Key key(EVP_EC_gen("P-256"));
  require(key != nullptr, "no EC key");
  return private_pem(key.get());
}

std::string self_sign(const std::string& key, const std::string& common_name, WallTime from,
                      std::chrono::days length) {
  const auto own = parse_key(key);
  require(own != nullptr, "the authority's key");
  const auto certificate = begin(own.get(), common_name, from, from + length);
  require(X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get())) == 1, "issuer");
  add_extension(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash");
  require(X509_sign(certificate.get(), own.get(), EVP_sha256()) > 0, "signature");
  return to_pem(certificate.get());
}

Result<std::string> issue(const Pair& authority, const std::string& key, const Subject& subject, Purpose purpose,
                          WallTime from, std::chrono::days length) {
  if (!belong_together(authority))
    return fail(Errc::malformed, "the key and the certificate of the authority don't belong together");
  const auto names = alternative_names(subject.names);
  if (subject.common_name.empty() || subject.common_name.size() > kLongestCommonName ||
      (names.empty() && !subject.names.empty()))
    return fail(Errc::malformed, fmt::format("'{}' or one of its names can't stand in a certificate", subject.common_name));
  const auto own = parse_key(key);
  if (!own) return fail(Errc::malformed, fmt::format("the key of {} is not readable", subject.common_name));
  const auto issuer = parse_certificate(authority.certificate);
  const auto certificate = begin(own.get(), subject.common_name, from,
                                 std::min<WallTime>(from + length, end_of(issuer.get())));
  require(X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get())) == 1, "issuer");
  const bool server = purpose == Purpose::server;
  add_extension(certificate.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate.get(), issuer.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(certificate.get(), issuer.get(), NID_ext_key_usage, server ? "serverAuth" : "clientAuth");
  add_extension(certificate.get(), issuer.get(), NID_subject_key_identifier, "hash");
  add_extension(certificate.get(), issuer.get(), NID_authority_key_identifier, "keyid");
  if (!names.empty()) add_extension(certificate.get(), issuer.get(), NID_subject_alt_name, names.c_str());
  require(X509_sign(certificate.get(), parse_key(authority.key).get(), EVP_sha256()) > 0, "signature");
  return to_pem(certificate.get());
}

Result<Certificate> read_certificate(const std::string& pem) {
  const auto certificate = parse_certificate(pem);
  if (!certificate) return fail(Errc::malformed, "there is no certificate in it (PEM)");
  Certificate found;
  std::array<char, kLongestCommonName + 1> name{};
  if (X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name.data(),
                                static_cast<int>(name.size())) > 0)
    found.common_name = name.data();
  found.names = names_of(certificate.get());
  found.end = end_of(certificate.get());
  return found;
}

bool belong_together(const Pair& pair) {
  const auto key = parse_key(pair.key);
  const auto certificate = parse_certificate(pair.certificate);
  const bool same = key && certificate && X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  return same;
}

bool issued_by(const std::string& certificate, const std::string& authority) {
  const auto own = parse_certificate(certificate);
  const auto issuer = parse_certificate(authority);
  const bool good = own && issuer && X509_check_issued(issuer.get(), own.get()) == X509_V_OK &&
                    X509_verify(own.get(), X509_get0_pubkey(issuer.get())) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace ota::credentials
