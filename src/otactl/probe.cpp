#include "otactl/probe.hpp"

#include <fmt/format.h>

#include <array>
#include <ctime>

#include "ota/base/text.hpp"

namespace ota::otactl {
namespace {

constexpr long kLongestProbe = 15;  // seconds
constexpr std::size_t kLongestAnswer = 1 << 20;

void read_certificate(CURL* handle, Probe& probe) {
  curl_certinfo* chain = nullptr;
  if (curl_easy_getinfo(handle, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain || chain->num_of_certs == 0) return;
  // The first is the server's own.
  for (const auto* line = chain->certinfo[0]; line; line = line->next) {
    const std::string_view text(line->data);
    const auto value = [&](std::string_view name) {
      return text.starts_with(name) ? std::string(text.substr(name.size())) : std::string();
    };
    if (const auto date = value("Expire date:"); !date.empty()) probe.expires = parse_certificate_time(date);
    if (auto name = value("Subject:"); !name.empty()) probe.subject = std::move(name);
    if (auto name = value("Issuer:"); !name.empty()) probe.issuer = std::move(name);
  }
}

std::size_t take_date(char* line, std::size_t, std::size_t size, void* to) {
  const std::string text(line, size);
  constexpr std::string_view kDate = "date:";
  if (iequals(std::string_view(text).substr(0, kDate.size()), kDate))
    if (const auto time = curl_getdate(text.c_str() + kDate.size(), nullptr); time > 0)
      *static_cast<std::optional<WallTime>*>(to) = WallTime(std::chrono::seconds(time));
  return size;
}

}  // namespace

std::optional<WallTime> parse_certificate_time(const std::string& text) {
  const auto time = curl_getdate(text.c_str(), nullptr);
  if (time <= 0) return std::nullopt;
  return WallTime(std::chrono::seconds(time));
}

Probe probe(const Server& server, const std::string& url, bool verify) {
  Probe found;
  const auto handle = curl::make_handle({server.ca_file, {}, {}}, "otactl/" OTAD_VERSION);
  curl::Body body{{}, kLongestAnswer};
  std::array<char, CURL_ERROR_SIZE> error{};
  curl::receive_into(handle.get(), body);
  curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_TIMEOUT, kLongestProbe);
  curl_easy_setopt(handle.get(), CURLOPT_CERTINFO, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, error.data());
  curl_easy_setopt(handle.get(), CURLOPT_HEADERFUNCTION, &take_date);
  curl_easy_setopt(handle.get(), CURLOPT_HEADERDATA, &found.server_time);
  if (!verify) {
    curl_easy_setopt(handle.get(), CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(handle.get(), CURLOPT_SSL_VERIFYHOST, 0L);
  }
  found.code = curl_easy_perform(handle.get());
  found.error = error.data();
  found.body = std::move(body.bytes);
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &found.status);
  const char* address = nullptr;
  long port = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_PRIMARY_IP, &address);
  curl_easy_getinfo(handle.get(), CURLINFO_PRIMARY_PORT, &port);
  if (address && *address) found.address = fmt::format("{} port {}", address, port);
  read_certificate(handle.get(), found);
  return found;
}

}  // namespace ota::otactl
