// The transfer of one piece of an image, or of another body of known length, over HTTP.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/chunk_source.hpp"
#include "ota/curl/handle.hpp"
#include "ota/domain/digest.hpp"

namespace ota::agent {

/// What is downloaded. The first bytes of an interrupted piece are kept if its digest can verify them later.
struct HttpPiece {
  enum class Kind {
    none,
    chunk,
    manifest,
    run,  ///< chunks that follow each other, as a range of the image
  };
  Kind kind = Kind::none;
  Digest image{};
  std::uint64_t offset = 0;  ///< in the image
  std::size_t length = 0;    ///< of the body
  bool operator==(const HttpPiece&) const = default;
};

/// One persistent connection, one piece at a time. When an interrupted piece is started again, it requests only the
/// rest (RFC 9110, 14.2). Runs inside a multi handle that outlives the run; not movable, for curl holds its address.
class HttpTransfer {
 public:
  /// While `interrupted` is true, what runs ends as aborted.
  HttpTransfer(const curl::TlsFiles& tls, const std::atomic<bool>& interrupted);
  HttpTransfer(const HttpTransfer&) = delete;
  ~HttpTransfer() { stop(); }

  const HttpPiece& piece() const { return piece_; }
  bool running() const { return multi_ != nullptr; }
  bool ended_well() const { return code_ == CURLE_OK; }
  bool ended() const { return code_.has_value(); }

  /// Ends what runs. Given up after `silence` without a byte. `headers`, which may be null, live as long as the run.
  void start(CURLM* multi, const HttpPiece& piece, const std::string& url, curl_slist* headers,
             std::chrono::seconds silence);
  /// Leaves the multi handle; what came is kept.
  void stop();
  /// The multi handle said that this one's run ended, thus.
  void end(CURL* handle, CURLcode code);

  /// Whether the rest will take no longer than a question and its answer.
  bool nearly_whole() const;
  /// Whether what was begun, or came already, is that piece or begins with it.
  bool brings(const HttpPiece& piece) const;
  /// The first `size` bytes of a run that are here, and is more to come; the piece begins behind them from then on.
  std::optional<Fetched> take_front(std::size_t size);
  /// Bytes that this request brought so far.
  std::uint64_t came() const;
  /// A run was answered with the whole image.
  bool ranges_ignored() const;
  /// How it ended, once; the bytes of a whole piece go with the answer.
  Fetched take();

 private:
  void keep(long status, CURLcode code);
  Fetched later(const std::string& why) const;
  Fetched refused(long status) const;

  const curl::Handle handle_;
  CURLM* multi_ = nullptr;
  HttpPiece piece_;
  std::string url_;
  std::string begun_;   // the piece's first bytes
  curl::Body body_;     // what this request brought
  bool moved_ = false;  // and whether that was anything
  std::optional<CURLcode> code_;
};

}  // namespace ota::agent
