// The HTTP server: listeners, sessions, threads, limits.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ota/base/result.hpp"
#include "ota/http/message.hpp"

namespace ota::http {

struct TlsOptions {
  std::string cert_file;  ///< PEM chain
  std::string key_file;   ///< PEM
  std::string client_ca;  ///< PEM; empty: client certificates are not requested
};

/// Whether a listener can use these files. Errc::malformed says which one it can't, and what to do about it.
Result<void> check_tls(const TlsOptions& options);

struct ServerOptions {
  unsigned threads = 0;  ///< 0: one for each core
  /// At this limit a new connection replaces one that never finished a request within 5 s (any such, if these are more
  /// than half) or a further one within 10 s; else the longest idle one; else one whose peer took nothing of its reply
  /// for 10 s; else any that never finished a request. If all are busy, the new one is answered 503.
  std::size_t max_connections = 10'000;
  /// Between requests, and without progress in a body or a reply, which must also transfer 64 bytes/s on average.
  std::chrono::seconds idle_timeout{60};
  /// For a TLS handshake, and for a request header from its first byte on; idle_timeout if that is less. A handshake on
  /// a slow link takes about 20 s.
  std::chrono::seconds head_timeout{30};
  std::size_t max_header_bytes = 16 * 1024;  ///< more: 431
  std::size_t max_target_bytes = 4 * 1024;   ///< more: 414
};

/// Caps on the bytes of files that are sent, in bytes/s; 0: none. A bandwidth may have a limit of its own.
struct DownloadRates {
  std::uint64_t all = 0;
  std::uint64_t each = 0;  ///< of each bandwidth key
};

struct ServerCounters {
  std::uint64_t connections_open = 0;
  std::uint64_t connections_total = 0;
  std::uint64_t connections_refused = 0;
  std::uint64_t requests_total = 0;
  std::uint64_t file_bytes_sent = 0;
  std::optional<std::int64_t> certificate_end;  ///< seconds since 1970; of the listener whose certificate ends first
};

/// Owns its threads and sockets. Call listen() once for each address, then start(); stop() may be called from any
/// thread. An exception of a handler is answered 500 and logged.
class Server {
 public:
  static std::unique_ptr<Server> create(ServerOptions options);
  virtual ~Server() = default;

  /// Binds `host:port` (IPv4, `[v6]:port`; port 0 picks one) and returns the bound address. The error names the
  /// remedy: port in use, no such address, not permitted, unreadable certificate.
  virtual Result<std::string> listen(const std::string& address, Handler handler,
                                     std::optional<TlsOptions> tls = {}) = 0;
  virtual void start() = 0;
  /// Takes effect with the next slice of each reply; replies that wait for a removed limit continue at once.
  /// Thread-safe.
  virtual void set_rates(const DownloadRates& rates) = 0;
  /// For bytes that are sent over another transport under the same limits: true if all of `wanted` (> 0) may be sent
  /// now. Otherwise `granted` is called once, here or on an http thread, with the permitted number; never after stop().
  /// The caller must limit the number of its waiting calls. Thread-safe.
  virtual bool may_send(const Bandwidth& bandwidth, std::size_t wanted, std::function<void(std::size_t)> granted) = 0;
  /// Reloads the certificates; open connections keep theirs.
  virtual Result<void> reload_tls() = 0;
  /// Accepts no new connections, closes idle ones, waits `grace` for requests in progress, then aborts them; joins.
  virtual void stop(std::chrono::milliseconds grace) = 0;
  virtual ServerCounters counters() const = 0;
};

}  // namespace ota::http
