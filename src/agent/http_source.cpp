#include "agent/http_source.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <utility>

#include "agent/http_transfer.hpp"

namespace ota::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// After so long without a byte a connection is given up: one that lost much waits ever longer before it tries again, a
// fresh one doesn't, and what came is kept. A link that needs longer is given longer.
constexpr seconds kMinSilence{5};
constexpr seconds kMaxSilence{40};
constexpr seconds kDeadSilence{20};
constexpr int kReadPollMs = 250;

// A link that loses much, or is long, makes each request wait for its own answer and its own retransmissions; in one
// that flows on, what is lost is noticed by what comes behind it. So after such a wait requests are for so many bytes.
constexpr milliseconds kLongWait{400};
constexpr std::uint64_t kRunBytes = 1u << 20;

HttpPiece piece_of(const Assignment& task, std::uint32_t index) {
  return {HttpPiece::Kind::chunk, task.checksum, task.grid.offset(index), task.grid.length(index)};
}

/// The chunk, and those of `ahead` that follow it, as far as a run may go; the chunk alone where none do.
HttpPiece run_from(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead) {
  auto run = piece_of(task, index);
  for (auto next = index + 1; is_in(ahead, next) && run.length + task.grid.length(next) <= kRunBytes; ++next) {
    run.kind = HttpPiece::Kind::run;
    run.length += task.grid.length(next);
  }
  return run;
}

std::string url_of(const Assignment& task, const HttpPiece& piece) {
  if (piece.kind == HttpPiece::Kind::run) return task.image_url;
  if (piece.kind == HttpPiece::Kind::manifest) return task.manifest_url;
  const auto index = piece.offset / task.grid.chunk_bytes;
  auto url = task.chunk_url;
  constexpr std::string_view kPlace = "{index}";
  if (auto at = url.find(kPlace); at != std::string::npos) url.replace(at, kPlace.size(), std::to_string(index));
  return url;
}

class HttpSource final : public ChunkSource {
 public:
  HttpSource(const curl::TlsFiles& tls, const std::atomic<bool>& interrupted)
      : multi_(curl_multi_init()),
        binary_(curl_slist_append(nullptr, "Accept: application/octet-stream")),
        first_(tls, interrupted),
        second_(tls, interrupted) {}

  Transport transport() const override { return Transport::http; }

  Fetched chunk(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead) override {
    auto piece = piece_of(task, index);
    auto& mine = second_.brings(piece) ? second_ : first_;
    auto& other = &mine == &first_ ? second_ : first_;
    if (!mine.brings(piece) || (no_ranges_ && mine.piece().kind == HttpPiece::Kind::run)) {
      begin(mine, next_piece(task, index, ahead), task);
    } else {
      if (auto front = mine.take_front(piece.length)) return *front;
      begin(mine, mine.piece(), task);
    }
    bool alone = true;
    auto moved = steady_clock::now();
    auto came = mine.came();
    while (work(mine)) {
      const auto now = steady_clock::now();
      if (now - moved >= kLongWait) runs_ = !task.image_url.empty() && !no_ranges_;
      if (std::exchange(came, mine.came()) != came) moved = now;
      // The next one is asked for just in time to come where this one ends: the link isn't idle for a round trip.
      if (alone && mine.nearly_whole()) {
        begin_next(other, mine.piece(), task, ahead);
        alone = false;
      }
      if (auto front = mine.take_front(piece.length)) return *front;
    }
    if (auto front = mine.take_front(piece.length)) return *front;
    if (mine.ranges_ignored()) {
      no_ranges_ = true;
      runs_ = false;
    }
    return answer(mine);
  }

  Fetched manifest(const Assignment& task) override {
    HttpPiece piece{HttpPiece::Kind::manifest, task.checksum, 0, task.grid.count() * sizeof(Digest)};
    begin(first_, piece, task, binary_.get());
    while (work(first_)) continue;
    return answer(first_);
  }

 private:
  // What runs goes on, what came already stays.
  void begin(HttpTransfer& transfer, const HttpPiece& piece, const Assignment& task, curl_slist* headers = nullptr) {
    if (transfer.piece() == piece && (transfer.running() || transfer.ended_well())) return;
    transfer.start(multi_.get(), piece, url_of(task, piece), headers, silence_);
  }

  // What is wanted behind `piece`.
  void begin_next(HttpTransfer& transfer, const HttpPiece& piece, const Assignment& task, const ChunkRanges& ahead) {
    const auto end = piece.offset + piece.length;
    for (const auto& range : ahead) {
      for (auto next = range.first; next <= range.last; ++next) {
        // The order of those ahead begins anew with the image.
        const bool behind = task.grid.offset(next) >= end || task.grid.offset(next) < piece.offset;
        if (!behind) continue;
        const bool begun = transfer.brings(piece_of(task, next));
        return begin(transfer, begun ? transfer.piece() : next_piece(task, next, ahead), task);
      }
    }
  }

  HttpPiece next_piece(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead) const {
    return runs_ ? run_from(task, index, ahead) : piece_of(task, index);
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
    curl_multi_poll(multi_.get(), nullptr, 0, kReadPollMs, nullptr);
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

  const curl::Multi multi_;
  const curl::Headers binary_;
  seconds silence_ = kMinSilence;
  bool runs_ = false;            // chunks are asked for several at once
  bool no_ranges_ = false;       // the server doesn't know how
  HttpTransfer first_, second_;  // after what they use
};

}  // namespace

std::unique_ptr<ChunkSource> make_http_source(const curl::TlsFiles& tls, const std::atomic<bool>& interrupted) {
  return std::make_unique<HttpSource>(tls, interrupted);
}

}  // namespace ota::agent
