#include "otactl/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "ota/credentials/secrets.hpp"
#include "otactl/interrupt.hpp"
#include "otactl/terminal.hpp"
#include "otactl/transfer.hpp"

namespace ota::otactl {
namespace {

constexpr int kTries = 3;  ///< of a call with an Idempotency-Key
constexpr std::size_t kShownOfPage = 80;
constexpr std::size_t kIdempotencyBytes = 18;

std::string query_text(const Query& query) {
  std::string text;
  for (const auto& [name, value] : query) {
    text += text.empty() ? '?' : '&';
    text += percent_encode(name) + "=" + percent_encode(value);
  }
  return text;
}

bool is_json(const Reply& reply) {
  const auto type = trim(std::string_view(reply.content_type).substr(0, reply.content_type.find(';')));
  return iequals(type, "application/json") || iequals(type, "application/problem+json");
}

/// `body`: null where there is none.
Request request_of(const char* method, std::string path, const Json* body) {
  Request request;
  request.method = method;
  request.path = std::move(path);
  if (body) request.body = body->dump();
  return request;
}

Json parse(const std::string& text) { return Json::parse(text, nullptr, false); }

std::string fields_of(const Json& problem) {
  std::string text;
  for (const auto& error : at(problem, "/errors"))
    text += fmt::format("\n  {}: {}", text_at(error, "/field"), text_at(error, "/message"));
  return text;
}

}  // namespace

std::string path_of(const std::vector<std::string>& segments) {
  std::string path;
  for (const auto& segment : segments) path += "/" + percent_encode(segment);
  return path;
}

Json Reply::json() const {
  auto parsed = parse(body);
  if (parsed.is_discarded()) throw Failure(kNoAccess, "the server's answer is no JSON: is it otad?");
  return parsed;
}

Client::Client(Server server)
    : server_(std::move(server)), handle_(curl::make_handle({server_.ca_file, {}, {}}, "otactl/" OTAD_VERSION)) {
  if (!server_.key_file.empty()) key_ = read_key(server_.key_file);
}

Client::~Client() = default;

Reply Client::get(std::string path, Query query) {
  Request request;
  request.path = std::move(path);
  request.query = std::move(query);
  return call(request);
}

Reply Client::post(std::string path, const Json& body, Query query) {
  auto request = request_of("POST", std::move(path), &body);
  request.query = std::move(query);
  return call(request);
}

Reply Client::post_once(std::string path, const Json& body) {
  auto request = request_of("POST", std::move(path), &body);
  request.idempotency_key = "otactl-" + credentials::random_text(kIdempotencyBytes);
  return call(request);
}

Reply Client::put(std::string path, const Json& body) { return call(request_of("PUT", std::move(path), &body)); }

Reply Client::patch(std::string path, const Json& body) { return call(request_of("PATCH", std::move(path), &body)); }

Reply Client::remove(std::string path) { return call(request_of("DELETE", std::move(path), nullptr)); }

Reply Client::call(const Request& request) {
  auto reply = try_call(request);
  if (reply.status < 200 || reply.status >= 300) throw refusal(request, reply);
  return reply;
}

Reply Client::try_call(const Request& request) {
  for (int tried = 1;; ++tried) {
    try {
      return send(request);
    } catch (const Unreachable&) {
      if (request.idempotency_key.empty() || tried == kTries || interrupted()) throw;
      sleep_until(std::chrono::steady_clock::now() + std::chrono::seconds{tried});
    }
  }
}

std::string Client::url_of(const Request& request) const {
  return server_.url + request.path + query_text(request.query);
}

Reply Client::send(const Request& request) {
  Transfer transfer(handle_.get(), request);
  transfer.set_url(url_of(request));
  transfer.add_header("Accept: application/json");
  if (!key_.empty()) transfer.add_header("Authorization: Bearer " + key_);
  if (!request.idempotency_key.empty()) transfer.add_header("Idempotency-Key: " + request.idempotency_key);
  const auto code = transfer.run();
  if (interrupted()) throw Failure(kInterrupted, "interrupted");
  if (code != CURLE_OK) throw Unreachable(describe(code, transfer.error(), server_));
  return transfer.take();
}

Failure Client::refusal(const Request& request, const Reply& reply) {
  const auto problem = is_json(reply) ? parse(reply.body) : Json();
  if (!problem.is_object() || text_at(problem, "/code").empty()) {
    if (reply.status >= 300 && reply.status < 400)
      return {kNoAccess, fmt::format("{} redirects elsewhere ({}): use the URL of otad itself", server_.url,
                                     reply.status)};
    return {kNoAccess, fmt::format("{} answers {} {} with {}, which is not otad's answer: is the URL right? {}",
                                   server_.url, request.method, request.path, reply.status,
                                   printable(reply.body.substr(0, kShownOfPage)))};
  }
  const auto code = text_at(problem, "/code");
  auto message = fmt::format("{} ({})", text_at(problem, "/detail"), code);
  if (at(problem, "/errors").size() > 1) message += fields_of(problem);
  if (code == "unauthenticated")
    message += key_.empty() ? "\nNo key was sent: name its file with otactl context add, OTACTL_KEY_FILE or --key-file"
                            : fmt::format("\nThe key was read from {}", printable(server_.key_file));
  if (reply.status == 404 || reply.status == 405) message += version_note();
  const bool access = reply.status == 401 || code == "forbidden" || reply.status == 421;
  return {access ? kNoAccess : kRefused, message};
}

/// Where the server is of another version, which may explain that it doesn't know something.
std::string Client::version_note() {
  try {
    Request request;
    request.path = "/healthz";
    const auto version = text_at(parse(send(request).body), "/version");
    if (!version.empty() && version != OTAD_VERSION)
      return fmt::format("\nThe server is otad {}, this is otactl {}", printable(version), OTAD_VERSION);
  } catch (const Failure&) {
    // The refusal itself says enough.
  }
  return {};
}

std::string describe(CURLcode code, const std::string& detail, const Server& server) {
  const auto why = printable(detail.empty() ? curl_easy_strerror(code) : detail);
  auto text = fmt::format("can't reach {}: {}", printable(server.url), why);
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      if (detail.find("expired") != std::string::npos || detail.find("not yet valid") != std::string::npos)
        return text + "\nCompare this machine's clock with the dates of the certificate: otactl doctor shows them";
      return text + (server.ca_file.empty()
                         ? "\nFor a CA of your own, name its certificate: --ca-file FILE, or otactl context add"
                         : fmt::format("\nThe CA certificates were read from {}", printable(server.ca_file)));
    case CURLE_SSL_CACERT_BADFILE:
      return text + fmt::format("\nThe CA file is {}", printable(server.ca_file));
    case CURLE_COULDNT_RESOLVE_HOST:
      return text + "\nIs the name right, and known to this machine's DNS?";
    case CURLE_COULDNT_CONNECT:
      return text + "\nIs otad running there (systemctl status otad), and is the port right and open?";
    case CURLE_SSL_CONNECT_ERROR:
      return text + "\nIs it an https:// port?";
    case CURLE_GOT_NOTHING:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return text + "\nIs it http:// or https://?";
    default:
      return text;
  }
}

}  // namespace ota::otactl
