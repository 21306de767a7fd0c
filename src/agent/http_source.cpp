#include "agent/http_source.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <utility>

#include "agent/http_transfer.hpp"

namespace ota::agent {
namespace {

using std::chrono::seconds;

// After so long without a byte a connection is given up: one that lost much waits ever longer before it tries again, a
// fresh one doesn't, and what came is kept. A line that needs longer is given longer.
constexpr seconds kMinSilence{5};
constexpr seconds kMaxSilence{40};
constexpr seconds kDeadSilence{20};
constexpr int kLookEveryMs = 250;

struct CloseMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

HttpPiece piece_of(const Task& task, std::uint32_t index) {
  return {HttpPiece::Kind::chunk, task.checksum, task.grid.offset(index), task.grid.length(index)};
}

std::string url_of(const Task& task, std::uint32_t index) {
  auto url = task.chunk_url;
  constexpr std::string_view kPlace = "{index}";
  if (auto at = url.find(kPlace); at != std::string::npos) url.replace(at, kPlace.size(), std::to_string(index));
  return url;
}

class HttpSource final : public ChunkSource {
 public:
  HttpSource(const TlsFiles& tls, const std::atomic<bool>& interrupted)
      : multi_(curl_multi_init()),
        binary_(curl_slist_append(nullptr, "Accept: application/octet-stream")),
        first_(tls, interrupted),
        second_(tls, interrupted) {}

  Transport transport() const override { return Transport::http; }

  Fetched chunk(const Task& task, std::uint32_t index, const ChunkRanges& ahead) override {
    auto piece = piece_of(task, index);
    auto& mine = second_.piece() == piece ? second_ : first_;
    auto& other = &mine == &first_ ? second_ : first_;
    begin(mine, piece, url_of(task, index));
    bool alone = true;
    while (work(mine)) {
      // The next one is asked for just in time to come where this one ends: the line isn't idle for a round trip.
      if (alone && !ahead.empty() && mine.nearly_whole()) {
        auto next = ahead.front().first;
        begin(other, piece_of(task, next), url_of(task, next));
        alone = false;
      }
    }
    return answer(mine);
  }

  Fetched manifest(const Task& task) override {
    HttpPiece piece{HttpPiece::Kind::manifest, task.checksum, 0, task.grid.count() * sizeof(Digest)};
    begin(first_, piece, task.manifest_url, binary_.get());
    while (work(first_)) continue;
    return answer(first_);
  }

 private:
  // What runs goes on, what came already stays.
  void begin(HttpTransfer& transfer, const HttpPiece& piece, const std::string& url, curl_slist* headers = nullptr) {
    if (transfer.piece() == piece && (transfer.running() || transfer.ended_well())) return;
    transfer.start(multi_.get(), piece, url, headers, silence_);
  }

  // Until something came or some time passed; false once `wanted` ended.
  bool work(const HttpTransfer& wanted) {
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    int left = 0;
    while (auto* message = curl_multi_info_read(multi_.get(), &left)) {
      auto* handle = message->easy_handle;
      auto code = message->data.result;  // the message goes with the handle
      first_.end(handle, code);
      second_.end(handle, code);
    }
    if (wanted.ended()) return false;
    curl_multi_poll(multi_.get(), nullptr, 0, kLookEveryMs, nullptr);
    return true;
  }

  Fetched answer(HttpTransfer& transfer) {
    auto fetched = transfer.take();
    if (fetched.kind == Fetched::Kind::aborted) {
      first_.stop();
      second_.stop();
    }
    bool silent = std::exchange(fetched.silent, fetched.silent && silence_ >= kDeadSilence);
    if (fetched.kind == Fetched::Kind::ok || fetched.moved) {
      silence_ = kMinSilence;
    } else if (silent) {
      silence_ = std::min(silence_ * 2, kMaxSilence);
    }
    return fetched;
  }

  const std::unique_ptr<CURLM, CloseMulti> multi_;
  const CurlHeaders binary_;
  seconds silence_ = kMinSilence;
  HttpTransfer first_, second_;  // after what they use
};

}  // namespace

std::unique_ptr<ChunkSource> make_http_source(const TlsFiles& tls, const std::atomic<bool>& interrupted) {
  return std::make_unique<HttpSource>(tls, interrupted);
}

}  // namespace ota::agent
