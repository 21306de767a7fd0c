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
  std::string client_ca;  ///< PEM; empty: no client certificates are asked for
};

struct ServerOptions {
  unsigned threads = 0;  ///< 0: one a core
  /// One more ends another: one that never finished a request and had 5 s for it (any, where these are more than half),
  /// or 10 s for a further one; else the longest idle one; else any that never finished a request. Where all are busy,
  /// it is answered 503.
  std::size_t max_connections = 10'000;
  /// Between requests; without a byte moving in a body or a reply, which must move 64 bytes/s in the long run besides.
  std::chrono::seconds idle_timeout{60};
  /// For a TLS handshake, and for a head from its first byte on; idle_timeout where that is less. A slow link takes
  /// some 20 s for the first.
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
};

/// Owns its threads and sockets. Built, then listen() once an address, then start(); stop() may be called from any
/// thread. A handler that throws is answered 500 and logged.
class Server {
 public:
  static std::unique_ptr<Server> create(ServerOptions options);
  virtual ~Server() = default;

  /// Binds `host:port` (IPv4, `[v6]:port`; port 0 picks one) and answers the address it got. The error says what to do:
  /// port taken, no such address, not permitted, unreadable certificate.
  virtual Result<std::string> listen(const std::string& address, Handler handler,
                                     std::optional<TlsOptions> tls = {}) = 0;
  virtual void start() = 0;
  /// From the next slice of each reply on; those that wait for a cap that is gone go on at once. Thread-safe.
  virtual void set_rates(const DownloadRates& rates) = 0;
  /// For bytes that leave by another way under the same caps: true where all of `wanted` (> 0) may leave now. Else
  /// `granted` is called once, here or on an http thread, with how many of them may; never after stop(). Whoever asks
  /// holds as many questions at a time as it can bound. Thread-safe.
  virtual bool may_send(const Bandwidth& bandwidth, std::size_t wanted, std::function<void(std::size_t)> granted) = 0;
  /// Reads certificates anew; connections that are open keep theirs.
  virtual Result<void> reload_tls() = 0;
  /// No new connections, idle ones closed, requests under way finished within `grace`, then cut; joins the threads.
  virtual void stop(std::chrono::milliseconds grace) = 0;
  virtual ServerCounters counters() const = 0;
};

}  // namespace ota::http
