#include "agent/http_transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ota::agent {
namespace {

constexpr int kMaxRetryAfter = 3600;
constexpr long kOk = 200;
constexpr long kPartialContent = 206;

int look(void* interrupted, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(interrupted)->load() ? 1 : 0;
}

long status_of(CURL* handle) {
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

// In seconds, since the run began; 0 before it came to that.
double time_of(CURL* handle, CURLINFO what) {
  double passed = 0;
  curl_easy_getinfo(handle, what, &passed);
  return passed;
}

// From the request sent to the first byte.
double round_trip(CURL* handle) {
  return time_of(handle, CURLINFO_STARTTRANSFER_TIME) - time_of(handle, CURLINFO_PRETRANSFER_TIME);
}

}  // namespace

HttpTransfer::HttpTransfer(const curl::TlsFiles& tls, const std::atomic<bool>& interrupted)
    : handle_(curl::make_handle(tls, "ota-agent/" OTAD_VERSION)) {
  curl_easy_setopt(handle_.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle_.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle_.get(), CURLOPT_XFERINFOFUNCTION, &look);
  curl_easy_setopt(handle_.get(), CURLOPT_XFERINFODATA, const_cast<std::atomic<bool>*>(&interrupted));
  curl::receive_into(handle_.get(), body_);
}

void HttpTransfer::start(CURLM* multi, const HttpPiece& piece, const std::string& url, curl_slist* headers,
                         std::chrono::seconds silence) {
  stop();
  if (piece_ != piece) begun_.clear();
  piece_ = piece;
  url_ = url;
  body_ = {{}, piece.length};
  code_.reset();
  moved_ = false;
  const bool run = piece.kind == HttpPiece::Kind::run;
  const auto from = begun_.size() + (run ? piece.offset : 0);
  const auto range = run ? fmt::format("{}-{}", from, piece.offset + piece.length - 1) : fmt::format("{}-", from);
  curl_easy_setopt(handle_.get(), CURLOPT_RANGE, begun_.empty() && !run ? nullptr : range.c_str());
  curl_easy_setopt(handle_.get(), CURLOPT_URL, url_.c_str());
  curl_easy_setopt(handle_.get(), CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(handle_.get(), CURLOPT_LOW_SPEED_TIME, static_cast<long>(silence.count()));
  curl_multi_add_handle(multi, handle_.get());
  multi_ = multi;
}

void HttpTransfer::stop() {
  if (multi_ != nullptr) end(handle_.get(), CURLE_ABORTED_BY_CALLBACK);
}

void HttpTransfer::end(CURL* handle, CURLcode code) {
  if (handle != handle_.get() || multi_ == nullptr) return;
  curl_multi_remove_handle(std::exchange(multi_, nullptr), handle);
  code_ = code;
  keep(status_of(handle), code);
}

void HttpTransfer::keep(long status, CURLcode code) {
  const auto came = std::exchange(body_.bytes, {});
  moved_ = !came.empty();
  if (status != kOk && status != kPartialContent) return;
  if (status == kOk) begun_.clear();  // the whole from its first byte: a server may ignore Range
  // Of a run that is the image's first byte.
  if (status == kOk && piece_.kind == HttpPiece::Kind::run && piece_.offset > 0) return;
  begun_ += came;
  // More than the piece has, or an end that never came: it is begun anew. So is what no digest will judge.
  auto broken = code == CURLE_WRITE_ERROR || begun_.size() > piece_.length ||
                (code != CURLE_OK && (begun_.size() == piece_.length || piece_.kind == HttpPiece::Kind::manifest));
  if (broken) begun_.clear();
}

bool HttpTransfer::nearly_whole() const {
  const auto came = static_cast<double>(this->came());
  auto since = time_of(handle_.get(), CURLINFO_TOTAL_TIME) - time_of(handle_.get(), CURLINFO_STARTTRANSFER_TIME);
  const auto left = static_cast<double>(piece_.length - begun_.size()) - static_cast<double>(body_.bytes.size());
  return came > 0 && left * since <= came * round_trip(handle_.get());
}

bool HttpTransfer::brings(const HttpPiece& piece) const {
  return piece_ == piece ||
         (piece_.kind == HttpPiece::Kind::run && piece.kind == HttpPiece::Kind::chunk && piece_.image == piece.image &&
          piece_.offset == piece.offset && piece_.length >= piece.length);
}

std::uint64_t HttpTransfer::came() const {
  curl_off_t bytes = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_SIZE_DOWNLOAD_T, &bytes);
  return static_cast<std::uint64_t>(bytes);
}

bool HttpTransfer::ranges_ignored() const {
  return piece_.kind == HttpPiece::Kind::run && ended() && status_of(handle_.get()) == kOk;
}

std::optional<Fetched> HttpTransfer::take_front(std::size_t size) {
  // The last of a run goes with its end: the connection is not free before.
  if (piece_.kind != HttpPiece::Kind::run || size >= piece_.length) return std::nullopt;
  const bool good = ended() || status_of(handle_.get()) == kPartialContent;
  if (begun_.size() + (good ? body_.bytes.size() : 0) < size) return std::nullopt;
  Fetched fetched;
  fetched.kind = Fetched::Kind::ok;
  fetched.bytes = begun_.substr(0, size);
  begun_.erase(0, fetched.bytes.size());
  const auto more = size - fetched.bytes.size();
  fetched.bytes.append(body_.bytes, 0, more);
  body_.bytes.erase(0, more);
  body_.limit -= more;
  fetched.rtt_ms = round_trip(handle_.get()) * 1000.0;
  piece_.offset += size;
  piece_.length -= size;
  return fetched;
}

Fetched HttpTransfer::take() {
  auto code = *std::exchange(code_, std::nullopt);
  auto status = status_of(handle_.get());
  if (code == CURLE_ABORTED_BY_CALLBACK) return {Fetched::Kind::aborted, {}, {}, "interrupted"};
  // An error's page may be longer than the piece would be: its status counts all the same.
  if (status >= 300) return refused(status);
  if (code != CURLE_OK) {
    auto fetched = later(code == CURLE_WRITE_ERROR ? "more bytes than it has" : curl_easy_strerror(code));
    fetched.silent = code == CURLE_OPERATION_TIMEDOUT;
    fetched.moved = moved_;
    return fetched;
  }
  // Another part of the image than was asked for.
  if (begun_.size() != piece_.length && piece_.kind == HttpPiece::Kind::run) return later("no ranges");
  Fetched fetched;
  fetched.kind = Fetched::Kind::ok;
  fetched.bytes = std::exchange(begun_, {});
  fetched.rtt_ms = round_trip(handle_.get()) * 1000.0;
  piece_ = {};
  return fetched;
}

Fetched HttpTransfer::later(const std::string& why) const {
  // As few characters as a person needs: the query holds a signature.
  return {Fetched::Kind::later, {}, {}, fmt::format("{}: {}", url_.substr(0, url_.find('?')), why)};
}

Fetched HttpTransfer::refused(long status) const {
  auto result = later(fmt::format("HTTP status {}", status));
  curl_off_t after = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_RETRY_AFTER, &after);
  result.retry_after_s = static_cast<int>(std::min<curl_off_t>(after, kMaxRetryAfter));
  if (status == 401 || status == 403) result.kind = Fetched::Kind::expired;
  if (status == 410) result.kind = Fetched::Kind::gone;
  return result;
}

}  // namespace ota::agent
