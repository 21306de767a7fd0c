#include "otactl/doctor.hpp"

#include <fmt/format.h>

#include "ota/base/certificate_end.hpp"
#include "ota/base/url.hpp"
#include "otactl/format.hpp"
#include "otactl/output.hpp"
#include "otactl/probe.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

using namespace std::chrono_literals;

constexpr auto kClockTolerance = 10s;

enum class Verdict { ok, warning, wrong };

const char* verdict_name(Verdict verdict) {
  if (verdict == Verdict::ok) return "ok";
  return verdict == Verdict::warning ? "warning" : "wrong";
}

struct Finding {
  Verdict verdict = Verdict::ok;
  std::string what;  ///< `TLS`
  std::string text;
  std::string remedy{};
};

bool is_loopback(std::string_view host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

/// Looks at one thing after the other, as long as the one before allows it.
class Doctor {
 public:
  explicit Doctor(Call& call) : call_(call), server_(call.server()) {}

  std::vector<Finding> examine() {
    if (check_connection() && check_otad()) {
      check_clock();
      if (check_key()) check_server();
    }
    return std::move(findings_);
  }

 private:
  void add(Verdict verdict, std::string what, std::string text, std::string remedy = {}) {
    findings_.push_back({verdict, std::move(what), printable(text), std::move(remedy)});
  }

  bool check_connection() {
    seen_ = probe(server_, server_.url + "/healthz", true);
    const auto url = parse_url(server_.url);
    const auto host = url ? std::string(url->authority.host) : std::string();
    if (seen_.code == CURLE_COULDNT_RESOLVE_HOST) {
      add(Verdict::wrong, "name", seen_.error, "correct the URL, or make the name known to DNS or /etc/hosts");
      return false;
    }
    if (seen_.address.empty()) {
      add(Verdict::wrong, "port", seen_.error.empty() ? curl_easy_strerror(seen_.code) : seen_.error,
          "start otad there (systemctl status otad), and open the port in the firewall");
      return false;
    }
    add(Verdict::ok, "address", fmt::format("{} is {}", host, seen_.address));
    if (server_.url.starts_with("https")) return check_tls();
    if (!is_loopback(host))
      add(Verdict::warning, "TLS", "none: keys and answers can be read on the way",
          "set http.tls_cert and http.tls_key, and use https://");
    return check_answer();
  }

  bool check_answer() {
    if (seen_.code == CURLE_OK) return true;
    add(Verdict::wrong, "HTTP", seen_.error.empty() ? curl_easy_strerror(seen_.code) : seen_.error,
        server_.url.starts_with("https") ? "is it an http:// port?" : "is it an https:// port?");
    return false;
  }

  bool check_tls() {
    const auto now = call_.now();
    const auto trusted = seen_.code == CURLE_OK;
    const auto shown = trusted ? seen_ : probe(server_, server_.url + "/healthz", false);
    const auto dates = shown.expires ? fmt::format("certificate of {}, issued by {}, until {}", shown.subject,
                                                   shown.issuer, to_rfc3339(*shown.expires))
                                     : std::string();
    if (!trusted && shown.code != CURLE_OK) return check_answer();
    if (!trusted) {
      const bool old = shown.expires && *shown.expires < now;
      add(Verdict::wrong, "TLS", fmt::format("{}; {}", seen_.error, dates),
          old ? fmt::format("renew the certificate, or correct this machine's clock ({})", to_rfc3339(now))
              : "name the CA's certificate with --ca-file or otactl context add, and call the server by a name that "
                "its certificate has");
      return false;
    }
    const bool soon = shown.expires && *shown.expires < now + kCertificateEndsSoon;
    add(soon ? Verdict::warning : Verdict::ok, "TLS", dates,
        soon ? "renew it: replace http.tls_cert and http.tls_key, then systemctl reload otad" : "");
    return true;
  }

  bool check_otad() {
    const auto json = Json::parse(seen_.body, nullptr, false);
    const auto version = json.is_object() ? text_at(json, "/version") : std::string();
    if (seen_.status == 421) {
      add(Verdict::wrong, "name", "otad doesn't know itself by the host of this URL",
          "add it to http.hosts, or set http.public_url");
      return false;
    }
    if (seen_.status != 200 || version.empty()) {
      add(Verdict::wrong, "otad", fmt::format("{}/healthz answers {}, and not as otad does", server_.url, seen_.status),
          "correct the URL; behind a proxy, with its path");
      return false;
    }
    const bool same = version == OTAD_VERSION;
    add(same ? Verdict::ok : Verdict::warning, "version",
        same ? "otad " + version : fmt::format("otad {}, otactl {}", version, OTAD_VERSION),
        same ? "" : "install the same version of both");
    return true;
  }

  void check_clock() {
    if (!seen_.server_time) return;
    const auto difference = std::chrono::duration_cast<std::chrono::seconds>(*seen_.server_time - call_.now());
    const auto apart = std::chrono::abs(difference);
    if (apart <= kClockTolerance) return add(Verdict::ok, "clock", "the server's and this machine's agree");
    add(Verdict::warning, "clock",
        fmt::format("the server's is {} {} this machine's", span_text(apart), difference > 0s ? "ahead of" : "behind"),
        "synchronize both (timedatectl status)");
  }

  /// The role, by a call that only admins may make.
  bool check_key() {
    try {
      auto& client = call_.client();
      Request request;
      request.path = "/summary";
      const auto summary = client.try_call(request);
      if (summary.status != 200) {
        add(Verdict::wrong, "key", client.refusal(request, summary).what(),
            "otad keys add --name NAME --role ROLE on the server prints a new one");
        return false;
      }
      summary_ = summary.json();
      request.path = "/audit";
      request.query = {{"limit", "1"}};
      const auto audit = client.try_call(request);
      const auto problem = audit.status == 403 ? text_at(audit.json(), "/detail") : std::string();
      if (client.key().empty())
        add(Verdict::ok, "key", "none is needed: the operators' routes are on loopback only");
      else
        add(Verdict::ok, "key", audit.status == 403 ? problem : "accepted, with all rights");
      return true;
    } catch (const Failure& failure) {
      add(Verdict::wrong, "key", failure.what());
      return false;
    }
  }

  void check_server() {
    for (const auto& [name, check] : at(summary_, "/health/checks").items())
      add(at(check, "/ok") != true        ? Verdict::wrong
          : at(check, "/warning") == true ? Verdict::warning
                                          : Verdict::ok,
          printable(name), text_at(check, "/detail"));
    check_public_url();
  }

  /// What devices are told to download from must lead back here.
  void check_public_url() {
    if (!summary_.contains("public_url")) return;  // an older server
    const auto url = text_at(summary_, "/public_url");
    const std::string remedy = "set http.public_url to a URL that devices can reach";
    if (url.empty())
      return add(Verdict::warning, "public URL",
                 "http.public_url is not set: devices over MQTT are told one made from the host's name", remedy);
    const auto found = probe(server_, url + "/healthz", true);
    if (found.code != CURLE_OK)
      return add(Verdict::wrong, "public URL", describe(found.code, found.error, {url, {}, server_.ca_file, {}}),
                 remedy);
    const auto json = Json::parse(found.body, nullptr, false);
    if (found.status != 200 || !json.is_object() || text_at(json, "/version").empty())
      return add(Verdict::wrong, "public URL", fmt::format("{} answers, but not as otad does", url), remedy);
    add(Verdict::ok, "public URL", fmt::format("{} leads to otad {}", url, text_at(json, "/version")));
  }

  Call& call_;
  const Server server_;
  Probe seen_;
  Json summary_;
  std::vector<Finding> findings_;
};

std::string finding_text(const Call& call, const Finding& finding) {
  const auto& style = call.terminal().style;
  const bool ok = finding.verdict == Verdict::ok;
  const bool warning = finding.verdict == Verdict::warning;
  const auto mark = ok ? (style.utf8 ? "✓" : "ok") : warning ? "!" : style.utf8 ? "✗" : "no";
  const auto colour = ok ? Colour::green : warning ? Colour::yellow : Colour::red;
  auto text = fmt::format("{} {:<10} {}\n", painted(style, colour, mark), finding.what, finding.text);
  if (!finding.remedy.empty()) text += fmt::format("  {:<10} {}\n", "", finding.remedy);
  return text;
}

int doctor(Call& call) {
  const auto findings = Doctor(call).examine();
  bool wrong = false;
  std::string text;
  auto all = Json::array();
  for (const auto& finding : findings) {
    wrong = wrong || finding.verdict == Verdict::wrong;
    text += finding_text(call, finding);
    all.push_back({{"check", finding.what},
                   {"verdict", verdict_name(finding.verdict)},
                   {"text", finding.text},
                   {"remedy", finding.remedy}});
  }
  write_out(call.json() ? all.dump() + "\n" : text);
  return wrong ? kRefused : kDone;
}

}  // namespace

Verb doctor_verb() {
  return {"doctor",
          "Check from outside what goes wrong at first: name, port, TLS, clock, key, and the server's own checks",
          {},
          doctor,
          "Exit status 1 if something is wrong. The check of the key's role makes one call that only admins may make."};
}

}  // namespace ota::otactl
