// The client's implementation: functions of callers and Paho's threads are in client.cpp, those of its own thread in
// client_thread.cpp.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "mqtt/barred_topics.hpp"
#include "mqtt/bulk_lane.hpp"
#include "mqtt/link.hpp"
#include "mqtt/outbox.hpp"
#include "mqtt/version_choice.hpp"

namespace ota::mqtt {

/// Its own thread connects, waits and passes messages to Paho. Paho's threads and callers of publish() only change what
/// `mutex_` protects; it is never held during a call of Paho, a handler or the log.
class ClientImpl final : public Client, private LinkEvents {
 public:
  ClientImpl(Options options, Handlers handlers, Random& random);
  ~ClientImpl() override { stop(std::chrono::milliseconds(0)); }

  void start() override;
  void reconnect_now() override;
  bool publish(std::string topic, std::string payload, int qos) override;
  bool publish_bulk(std::string topic, std::string payload, BulkSent sent) override;
  std::size_t max_payload(std::size_t topic_bytes) const override;
  Status status() const override;
  void stop(std::chrono::milliseconds grace) override;

 private:
  enum class State { idle, connecting, connected, failed, lost, disconnected };
  using Lock = std::unique_lock<std::mutex>;

  // Own thread. Functions with a Lock parameter are called and return with the lock held.
  void run();
  bool connect(Lock& lock);
  bool connect_once(Lock& lock, Version version);
  bool should_warn(const std::string& cause);
  bool renew_link(Version version);
  bool serve(Lock& lock);
  bool after_loss(Lock& lock, std::chrono::seconds lived);
  std::string why_lost(int reason, const Outbox::Lost& lost);
  bool may_send() const;
  bool work_waits() const;
  bool done(Lock& lock);
  void announce(Lock& lock);
  void pump(Lock& lock);
  bool hand_over(const Outgoing& message);
  void lose_bulk(Lock& lock);
  void hang_up(Lock& lock);
  void part(Lock& lock);
  void wait(Lock& lock, unsigned step);

  // Any thread, without the lock.
  void drop(std::uint64_t id, const std::string& why);
  void report_dropped(const Outgoing& message, const std::string& why) const;

  // Paho's threads.
  void become(State state, int reason);
  void on_connected(const Limits& limits) override;
  void on_connect_failed(int reason) override { become(State::failed, reason); }
  void on_lost(int reason) override { become(State::lost, reason); }
  void on_disconnected() override { become(State::disconnected, 0); }
  void on_message(std::string_view topic, std::string_view payload, bool retained) override;
  void on_published(std::uint64_t id, int reason) override;
  void on_bulk_written(std::uint64_t id, int reason);
  void on_subscribed(std::size_t filter, int reason, int qos) override;

  const Options options_;
  const Handlers handlers_;
  Random& random_;
  std::atomic<std::uint64_t> received_ = 0;
  std::atomic<std::uint32_t> max_packet_ = 0;  // as at the last connect; 0 before the first

  // Own thread only.
  std::unique_ptr<Link> link_;
  Version link_version_ = Version::automatic;
  bool link_used_ = false;  // its only connection was used
  VersionChoice versions_;
  int short_lives_ = 0;  // consecutive connections that were lost early
  std::string warned_;   // the last warning about a failed connect; empty while connected
  std::chrono::steady_clock::time_point warned_at_;
  std::string told_;     // the broker's last reason for ending one of these

  mutable std::mutex mutex_;  // protects what follows
  std::condition_variable wake_;
  Outbox outbox_;
  BulkLane bulk_;
  BarredTopics barred_;
  int max_qos_ = 2;  // of this connection
  Version version_ = Version::automatic;
  State state_ = State::idle;
  int reason_ = 0;
  std::string detail_ = "not connected yet";
  std::uint64_t connects_ = 0;
  std::uint64_t published_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t dropped_ = 0;
  std::size_t unanswered_ = 0;  // subscriptions of this connection
  bool announced_ = false;
  bool stopping_ = false;
  bool reconnect_now_ = false;
  std::chrono::steady_clock::time_point stop_by_;
  std::thread thread_;
};

}  // namespace ota::mqtt
