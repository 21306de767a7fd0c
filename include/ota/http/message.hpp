// The request and the reply of a handler. HTTP only: independent of tasks and devices.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/http/connection_stats.hpp"

namespace ota::http {

enum class Method : std::uint8_t { get, head, post, put, patch, delete_, other };
std::string_view to_string(Method method);
/// Only reads (RFC 9110, 9.2.1).
constexpr bool is_safe(Method method) { return method == Method::get || method == Method::head; }

/// One request, owned by its session; views are valid until the handler's coroutine ends. For that coroutine only.
class Request {
 public:
  virtual ~Request() = default;

  virtual Method method() const noexcept = 0;
  /// As sent: not percent-decoded, without the query.
  virtual std::string_view path() const noexcept = 0;
  /// The part after `?`, not decoded; empty if there is none. Never log it: it may contain a signature.
  virtual std::string_view query() const noexcept = 0;
  /// The host of the request, with its port if there is one: from an absolute target, else from the Host header (RFC
  /// 9112, 3.2.2 and 3.3). As sent; empty if HTTP/1.0 has none.
  virtual std::string_view authority() const noexcept = 0;
  /// Empty if it is missing; the first one if it is repeated. Names are compared without case.
  virtual std::string_view header(std::string_view name) const noexcept = 0;
  /// `10.0.0.7:51234`.
  virtual const std::string& remote() const noexcept = 0;
  /// The common name of a client certificate that was verified against the client CA; empty without one.
  virtual const std::string& client_name() const noexcept = 0;

  /// The value of Content-Length; nothing for chunked bodies.
  virtual std::optional<std::uint64_t> content_length() const noexcept = 0;
  /// The next bytes of the body (known or chunked length), at most `into.size()`; 0 at its end. A body that the
  /// handler doesn't read is drained up to a small bound, else the connection is closed after the reply.
  /// Errc::cancelled if the client disconnected or was too slow; Errc::bad_message if the framing is invalid.
  virtual boost::asio::awaitable<Result<std::size_t>> read_some(std::span<char> into) = 0;
  /// The whole body; Errc::too_large beyond `limit` bytes.
  virtual boost::asio::awaitable<Result<std::string>> read_all(std::size_t limit) = 0;
};

struct Header {
  std::string name;
  std::string value;
};

/// The rate limits that apply to bytes (DownloadRates).
struct Bandwidth {
  std::uint64_t key = 0;    ///< the bucket that it uses: the same for all requests of one device
  bool urgent = false;      ///< has priority over others under the limit on all downloads
  std::uint64_t limit = 0;  ///< additional limit of the key in bytes/s; 0: none
};

/// Bytes of an open file that may need verification before they are sent. Thread-safe.
class FileSource {
 public:
  virtual ~FileSource() = default;
  /// Open for reading during the lifetime of this object.
  virtual int descriptor() const noexcept = 0;
  /// True if these bytes are already verified; no waiting, no I/O.
  virtual bool checked(std::uint64_t offset, std::uint64_t length) const noexcept = 0;
  /// Verifies them on a disk thread and calls `done` there; Errc::image_damaged if they are corrupt. If the disk
  /// threads are busy it calls `done` itself, with Errc::overloaded.
  virtual void check(std::uint64_t offset, std::uint64_t length, std::function<void(Result<void>)> done) = 0;
  /// The rate limit of its bytes; constant during its lifetime. Used by its reply alone.
  virtual Bandwidth bandwidth() { return {}; }
};

/// Is notified of the bytes of a file reply that were passed to the kernel. Called on http threads, one call at a time.
class TransferListener {
 public:
  virtual ~TransferListener() = default;
  /// Bytes `offset` .. `offset + length` of the *file* were sent; called after every slice, in order within a range.
  virtual void sent(std::uint64_t offset, std::uint64_t length) = 0;
  /// The reply has ended; `whole`: all of it was passed to the kernel.
  virtual void ended(bool whole) { static_cast<void>(whole); }
  /// At most once a second, at the end of the reply, and then until the peer has acknowledged all of it.
  virtual void on_stats(const ConnectionStats& stats) { static_cast<void>(stats); }
};

/// A representation that is a part of a file. The server answers conditions and ranges on it (RFC 9110, 13 and 14):
/// 200, 206 (one range, or several as multipart/byteranges), 304, 412, 416; HEAD gets the same headers. The texts are
/// views that are valid during the lifetime of the source.
struct FileBody {
  std::shared_ptr<FileSource> source;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::string_view etag;            ///< with its quotes; strong
  std::string_view content_digest;  ///< RFC 9530 value for the whole representation; sent with a 200 only; may be empty
  std::string_view repr_digest;     ///< RFC 9530; sent with 200 and 206; may be empty
  std::string_view cache_control;   ///< RFC 9111; may be empty
  std::shared_ptr<TransferListener> listener;  ///< may be null
};

/// A body whose length isn't known before: it is made while it is sent, and the connection is closed after it.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  /// The next bytes; empty: that was the end. Asked on the session's thread, once all bytes before were handed to the
  /// kernel, and may wait as long as it likes; is cancelled when the connection ends.
  virtual boost::asio::awaitable<std::string> next() = 0;
  /// Whether the peer is too slow for what comes: its connection is cut. Asked at least twice a second, on the session's
  /// thread.
  virtual bool overrun() const { return false; }
};

struct Reply {
  unsigned status = 200;
  std::string content_type;  ///< empty: no body
  std::vector<Header> headers;
  std::string body;
  std::optional<FileBody> file;  ///< instead of `body`
  std::shared_ptr<BodyStream> stream;  ///< the same; chunked, for HTTP/1.0 up to the close
  bool close = false;            ///< close the connection after this reply
};

using Handler = std::function<boost::asio::awaitable<Reply>(Request&)>;

}  // namespace ota::http
