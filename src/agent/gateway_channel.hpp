// Messages and `next` over HTTP (docs/device-protocol.md, The same over HTTP), while the broker is unreachable.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "ota/base/mutex.hpp"
#include "ota/base/random.hpp"
#include "ota/curl/handle.hpp"

namespace ota::agent {

/// While it is on, its thread posts messages in order, with an open `next` at the same time. An undelivered message is
/// retried after delays of 1 s to 120 s with jitter. A message that the server answered, also with an error, is
/// delivered.
class GatewayChannel {
 public:
  static constexpr std::size_t kMaxWaiting = 256;  ///< beyond it the oldest is dropped: the server is asked again
  static constexpr std::chrono::seconds kMinWait{1}, kMaxWait{120};
  static constexpr int kNextSeconds = 30;

  struct Events {
    std::function<void(std::string payload)> on_message;
    std::function<void()> on_reached;  ///< the first answer since it was switched on, or since the last failure
  };

  /// `path` is the topic root and the device: `/ota/gw-17`. `token` may be empty.
  GatewayChannel(curl::TlsFiles tls, std::string path, std::string token, Events events, Random& random);
  ~GatewayChannel();

  /// Any thread, all of these. `http://gw:8080`; empty: none.
  void set_gateway(std::string origin);
  bool has_gateway() const;
  void switch_on();
  /// What was not delivered, oldest first: `request` and the like, and the payload.
  std::deque<std::pair<std::string, std::string>> switch_off();
  void send(std::string what, std::string payload);
  /// Whether nothing waits to be delivered.
  bool idle() const;
  /// Whether the last exchange worked.
  bool reached() const { return reached_; }
  /// Waits until all is delivered, at most so long.
  void drain(std::chrono::milliseconds grace);

 private:
  struct Exchange {
    curl::Handle handle;
    curl::Headers headers;
    curl::Body body;
    std::string url, payload;
    bool running = false;
  };
  void run();
  void prepare(Exchange& exchange) const;
  void serve(void* multi);
  bool begin_post(void* multi);
  bool begin_next(void* multi);
  void end(Exchange& exchange, int code);
  void cut(void* multi);
  void failed();

  const curl::TlsFiles tls_;
  const std::string path_, token_;
  const Events events_;
  Random& random_;
  std::atomic<bool> reached_ = false;

  // Its own thread's:
  Exchange post_, next_;
  std::chrono::steady_clock::time_point again_{};  // after a failure
  std::chrono::steady_clock::time_point next_again_{};
  std::string last_next_;  // the server repeats by it what the device has not begun
  unsigned failures_ = 0;

  mutable Mutex mutex_;
  ConditionVariable changed_;
  std::string origin_ OTA_GUARDED_BY(mutex_);
  std::deque<std::pair<std::string, std::string>> waiting_ OTA_GUARDED_BY(mutex_);
  bool on_ OTA_GUARDED_BY(mutex_) = false;
  bool stopping_ OTA_GUARDED_BY(mutex_) = false;
  void* multi_ OTA_GUARDED_BY(mutex_) = nullptr;
  std::thread thread_ OTA_GUARDED_BY(mutex_);
};

}  // namespace ota::agent
