#include <fmt/format.h>

#include <algorithm>

#include "ota/base/certificate_end.hpp"
#include "ota/credentials/certificates.hpp"
#include "setup/draft.hpp"

namespace ota::setup {
namespace {

using std::chrono::days;

constexpr days kAuthorityLength{3650};
constexpr days kServerLength{730};
constexpr const char* kServerKey = "/etc/otad/tls/server.key";
constexpr const char* kServerCertificate = "/etc/otad/tls/server.crt";
constexpr std::size_t kLongestCommonName = 64;

std::string date_of(WallTime time) { return to_rfc3339(time).substr(0, 10); }

/// The key of that file, or a new one.
std::string key_of(Draft& draft, const char* path, const Owner& owner, const char* about) {
  auto key = draft.content(path).value_or("");
  if (key.empty()) key = credentials::new_key();
  draft.want({path, key, 0600, owner, about});
  return key;
}

/// For this machine itself, too.
std::vector<std::string> all_names(const Plan& plan) {
  std::vector<std::string> names{plan.name};
  for (const auto* more : {&plan.names})
    for (const auto& name : *more)
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  for (const auto* own : {"localhost", "127.0.0.1", "::1"})
    if (std::find(names.begin(), names.end(), own) == names.end()) names.emplace_back(own);
  return names;
}

bool still_good(const std::string& certificate, const std::string& key, const std::string& authority,
                const std::vector<std::string>& names, WallTime now) {
  const auto found = credentials::read_certificate(certificate);
  if (!found || found->end - now < kCertificateEndsSoon) return false;
  const bool same = std::is_permutation(found->names.begin(), found->names.end(), names.begin(), names.end());
  return same && credentials::belong_together({key, certificate}) && credentials::issued_by(certificate, authority);
}

}  // namespace

void add_authority(Draft& draft) {
  auto certificate = draft.content(kAuthority).value_or("");
  if (!certificate.empty() && draft.content(kAuthorityKey).value_or("").empty())
    refuse(Errc::not_found, fmt::format("{} is there, but its key {} isn't: put the key back, or remove the certificate "
                                        "for a new authority, which each device must be given then",
                                        kAuthority, kAuthorityKey));
  const auto key = key_of(draft, kAuthorityKey, {}, "key of the certificate authority (not shown)");
  const auto name = fmt::format("otad CA of {}", draft.plan.name).substr(0, kLongestCommonName);
  if (certificate.empty()) certificate = credentials::self_sign(key, name, draft.machine().now, kAuthorityLength);
  if (!credentials::belong_together({key, certificate}))
    refuse(Errc::malformed, fmt::format("{} and {} don't belong together", kAuthority, kAuthorityKey));
  const auto about = credentials::read_certificate(certificate);
  draft.want({kAuthority, certificate, 0644, {},
              fmt::format("certificate authority '{}' until {}", about->common_name, date_of(about->end))});
}

void add_server_certificate(Draft& draft) {
  const credentials::Pair authority{draft.content(kAuthorityKey).value_or(""), draft.content(kAuthority).value_or("")};
  const auto key = key_of(draft, kServerKey, draft.daemon(), "key of the server (not shown)");
  const auto names = all_names(draft.plan);
  auto certificate = draft.content(kServerCertificate).value_or("");
  if (!still_good(certificate, key, authority.certificate, names, draft.machine().now)) {
    auto issued = credentials::issue(authority, key, {draft.plan.name.substr(0, kLongestCommonName), names},
                                     credentials::Purpose::server, draft.machine().now, kServerLength);
    if (!issued) throw Refused{issued.error()};
    certificate = std::move(*issued);
  }
  const auto about = credentials::read_certificate(certificate);
  const auto text = fmt::format("certificate for {} until {}", fmt::join(names, ", "), date_of(about->end));
  draft.want({kServerCertificate, certificate, 0644, {}, text});
  // The broker reads its files as a user of its own.
  draft.want({"/etc/mosquitto/ca_certificates/otad-ca.crt", authority.certificate, 0644, {}, "the certificate authority"});
  draft.want({"/etc/mosquitto/certs/otad.key", key, 0600, draft.broker(), "the server's key (not shown)"});
  draft.want({"/etc/mosquitto/certs/otad.crt", certificate, 0644, {}, "the server's certificate"});
}

}  // namespace ota::setup
