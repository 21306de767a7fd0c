#include "agent/http_source.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>

namespace ota::agent {
namespace {

constexpr long kSilenceSeconds = 20;
constexpr int kMaxRetryAfter = 3600;
constexpr long kOk = 200;
constexpr long kPartialContent = 206;

int look(void* interrupted, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(interrupted)->load() ? 1 : 0;
}

// As few characters as a person needs: the query holds a signature.
std::string without_query(const std::string& url) { return url.substr(0, url.find('?')); }

class HttpSource final : public ChunkSource {
 public:
  HttpSource(const TlsFiles& tls, const std::atomic<bool>& interrupted)
      : interrupted_(interrupted), handle_(make_handle(tls)) {
    curl_easy_setopt(handle_.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle_.get(), CURLOPT_LOW_SPEED_TIME, kSilenceSeconds);
    curl_easy_setopt(handle_.get(), CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle_.get(), CURLOPT_XFERINFOFUNCTION, &look);
    curl_easy_setopt(handle_.get(), CURLOPT_XFERINFODATA, const_cast<std::atomic<bool>*>(&interrupted_));
  }

  Transport transport() const override { return Transport::http; }

  Fetched chunk(const Task& task, std::uint32_t index, const ChunkRanges&) override {
    auto url = task.chunk_url;
    constexpr std::string_view kPlace = "{index}";
    if (auto at = url.find(kPlace); at != std::string::npos) url.replace(at, kPlace.size(), std::to_string(index));
    auto length = task.grid.length(index);
    if (begun_.image != task.checksum || begun_.offset != task.grid.offset(index) || begun_.length != length)
      begun_ = {task.checksum, task.grid.offset(index), length, {}};
    auto fetched = get(url, length, nullptr, &begun_.bytes);
    if (fetched.kind == Fetched::Kind::ok) begun_ = {};
    return fetched;
  }

  Fetched manifest(const Task& task) override {
    CurlHeaders headers(curl_slist_append(nullptr, "Accept: application/octet-stream"));
    return get(task.manifest_url, task.grid.count() * sizeof(Digest), headers.get(), nullptr);
  }

 private:
  // A chunk whose transfer broke off: its first bytes. The digest of the whole tells whether they were right.
  struct Begun {
    Digest image{};
    std::uint64_t offset = 0;
    std::size_t length = 0;
    std::string bytes;
  };

  // `begun`, where there is one, holds the first bytes already: only the rest is asked for, and what breaks off again
  // is added to it.
  Fetched get(const std::string& url, std::size_t limit, curl_slist* headers, std::string* begun) {
    Body body{{}, limit};
    auto from = begun == nullptr ? 0 : begun->size();
    auto range = fmt::format("{}-", from);
    curl_easy_setopt(handle_.get(), CURLOPT_RANGE, from > 0 ? range.c_str() : nullptr);
    curl_easy_setopt(handle_.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle_.get(), CURLOPT_HTTPHEADER, headers);
    receive_into(handle_.get(), body);
    auto code = curl_easy_perform(handle_.get());
    long status = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
    // 200 is the whole from its first byte (RFC 9110, 14.2: a server may ignore Range).
    bool moved = !body.bytes.empty();
    bool goes_on = begun != nullptr && (status == kOk || status == kPartialContent);
    if (goes_on) {
      if (status == kOk) begun->clear();
      *begun += body.bytes;
      body.bytes.clear();
      // More than the chunk has, or an end that never came: such a chunk is begun anew.
      if (code == CURLE_WRITE_ERROR || begun->size() > limit || (code != CURLE_OK && begun->size() == limit))
        begun->clear();
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) return {Fetched::Kind::aborted, {}, {}, "interrupted", 0, 0};
    // An error's page may be longer than the chunk would be: its status counts all the same.
    if (status >= 300) return refused(url, status);
    if (code == CURLE_WRITE_ERROR) return later(url, "more bytes than the chunk has");
    if (code != CURLE_OK) {
      auto fetched = later(url, curl_easy_strerror(code));
      fetched.silent = code == CURLE_OPERATION_TIMEDOUT;
      fetched.moved = moved;
      return fetched;
    }
    if (goes_on) body.bytes = std::move(*begun);
    Fetched fetched{Fetched::Kind::ok, std::move(body.bytes), {}, {}, 0, 0};
    double sent = 0, first = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_PRETRANSFER_TIME, &sent);
    curl_easy_getinfo(handle_.get(), CURLINFO_STARTTRANSFER_TIME, &first);
    fetched.rtt_ms = (first - sent) * 1000.0;
    return fetched;
  }

  Fetched later(const std::string& url, const std::string& why, int after = 0) {
    return {Fetched::Kind::later, {}, {}, fmt::format("{}: {}", without_query(url), why), after, 0};
  }

  Fetched refused(const std::string& url, long status) {
    auto what = fmt::format("HTTP status {}", status);
    curl_off_t after = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RETRY_AFTER, &after);
    auto result = later(url, what, static_cast<int>(std::min<curl_off_t>(after, kMaxRetryAfter)));
    if (status == 401 || status == 403) result.kind = Fetched::Kind::expired;
    if (status == 410) result.kind = Fetched::Kind::gone;
    return result;
  }

  const std::atomic<bool>& interrupted_;
  const CurlHandle handle_;
  Begun begun_;
};

}  // namespace

std::unique_ptr<ChunkSource> make_http_source(const TlsFiles& tls, const std::atomic<bool>& interrupted) {
  return std::make_unique<HttpSource>(tls, interrupted);
}

}  // namespace ota::agent
