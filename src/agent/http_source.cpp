#include "agent/http_source.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>

namespace ota::agent {
namespace {

constexpr long kConnectSeconds = 10;
constexpr long kSilenceSeconds = 20;
constexpr int kMaxRetryAfter = 3600;
constexpr long kOk = 200;
constexpr long kPartialContent = 206;

struct CloseHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct Body {
  std::string bytes;
  std::size_t limit = 0;
};

std::size_t take(char* data, std::size_t, std::size_t size, void* to) {
  auto& body = *static_cast<Body*>(to);
  if (body.bytes.size() + size > body.limit) return 0;  // curl ends the transfer with CURLE_WRITE_ERROR
  body.bytes.append(data, size);
  return size;
}

int look(void* interrupted, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(interrupted)->load() ? 1 : 0;
}

// As few characters as a person needs: the query holds a signature.
std::string without_query(const std::string& url) { return url.substr(0, url.find('?')); }

class HttpSource final : public ChunkSource {
 public:
  HttpSource(std::string ca_file, const std::atomic<bool>& interrupted)
      : ca_file_(std::move(ca_file)), interrupted_(interrupted), handle_(curl_easy_init()) {
    curl_easy_setopt(handle_.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle_.get(), CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(handle_.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(handle_.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle_.get(), CURLOPT_LOW_SPEED_TIME, kSilenceSeconds);
    curl_easy_setopt(handle_.get(), CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle_.get(), CURLOPT_USERAGENT, "ota-agent/" OTAD_VERSION);
    curl_easy_setopt(handle_.get(), CURLOPT_WRITEFUNCTION, &take);
    curl_easy_setopt(handle_.get(), CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle_.get(), CURLOPT_XFERINFOFUNCTION, &look);
    curl_easy_setopt(handle_.get(), CURLOPT_XFERINFODATA, const_cast<std::atomic<bool>*>(&interrupted_));
    if (!ca_file_.empty()) curl_easy_setopt(handle_.get(), CURLOPT_CAINFO, ca_file_.c_str());
  }

  std::string_view name() const override { return "http"; }

  Fetched chunk(const Task& task, std::uint32_t index) override {
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
    std::unique_ptr<curl_slist, FreeList> headers(curl_slist_append(nullptr, "Accept: application/octet-stream"));
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
    curl_easy_setopt(handle_.get(), CURLOPT_WRITEDATA, &body);
    auto code = curl_easy_perform(handle_.get());
    long status = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
    // 200 is the whole from its first byte (RFC 9110, 14.2: a server may ignore Range).
    bool goes_on = begun != nullptr && (status == kOk || status == kPartialContent);
    if (goes_on) {
      if (status == kOk) begun->clear();
      *begun += body.bytes;
      body.bytes.clear();
      // More than the chunk has, or an end that never came: such a chunk is begun anew.
      if (code == CURLE_WRITE_ERROR || begun->size() > limit || (code != CURLE_OK && begun->size() == limit))
        begun->clear();
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) return {Fetched::Kind::aborted, {}, "interrupted", 0, 0};
    // An error's page may be longer than the chunk would be: its status counts all the same.
    if (status >= 300) return refused(url, status);
    if (code == CURLE_WRITE_ERROR) return later(url, "more bytes than the chunk has");
    if (code != CURLE_OK) return later(url, curl_easy_strerror(code));
    if (goes_on) body.bytes = std::move(*begun);
    Fetched fetched{Fetched::Kind::ok, std::move(body.bytes), {}, 0, 0};
    double sent = 0, first = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_PRETRANSFER_TIME, &sent);
    curl_easy_getinfo(handle_.get(), CURLINFO_STARTTRANSFER_TIME, &first);
    fetched.rtt_ms = (first - sent) * 1000.0;
    return fetched;
  }

  Fetched later(const std::string& url, const std::string& why, int after = 0) {
    return {Fetched::Kind::later, {}, fmt::format("{}: {}", without_query(url), why), after, 0};
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

  const std::string ca_file_;
  const std::atomic<bool>& interrupted_;
  const std::unique_ptr<CURL, CloseHandle> handle_;
  Begun begun_;
};

}  // namespace

std::unique_ptr<ChunkSource> make_http_source(std::string ca_file, const std::atomic<bool>& interrupted) {
  return std::make_unique<HttpSource>(std::move(ca_file), interrupted);
}

}  // namespace ota::agent
