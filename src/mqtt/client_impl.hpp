// The client's implementation: functions of callers and Paho's threads are in client.cpp, those of its own thread in
// client_thread.cpp, and in client_connection.cpp how a connection begins and ends.
#pragma once

#include <atomic>
#include <thread>

#include "mqtt/barred_topics.hpp"
#include "mqtt/bulk_lane.hpp"
#include "mqtt/link.hpp"
#include "mqtt/outbox.hpp"
#include "mqtt/version_choice.hpp"
#include "ota/base/mutex.hpp"

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
  bool publish_bulk(std::string group, std::string topic, std::string payload, BulkSent sent) override;
  bool bulk_barred(const std::string& group) const override;
  std::size_t max_payload(std::size_t topic_bytes) const override;
  Status status() const override;
  void stop(std::chrono::milliseconds grace) override;

 private:
  enum class State { idle, connecting, connected, failed, lost, disconnected };

  // Own thread.
  void run();
  bool connect() OTA_REQUIRES(mutex_);
  bool connect_once(Version version) OTA_REQUIRES(mutex_);
  bool should_warn(const std::string& cause);
  bool renew_link(Version version);
  bool serve() OTA_REQUIRES(mutex_);
  bool after_loss(std::chrono::seconds lived, const BulkSuspects::Lost& bulk) OTA_REQUIRES(mutex_);
  std::string why_lost(int reason, const Outbox::Lost& lost, const std::string& alone);
  void report_causes(const Outbox::Lost& lost, std::chrono::seconds barred, const BulkSuspects::Lost& bulk,
                     std::chrono::seconds bulk_barred) const OTA_EXCLUDES(mutex_);
  bool may_send() const OTA_REQUIRES(mutex_);
  bool work_waits() const OTA_REQUIRES(mutex_);
  bool ready() const OTA_REQUIRES(mutex_);
  bool bulk_waits() const OTA_REQUIRES(mutex_);
  bool done() OTA_REQUIRES(mutex_);
  void announce() OTA_REQUIRES(mutex_);
  void pump() OTA_REQUIRES(mutex_);
  bool hand_over(const Outgoing& message) OTA_EXCLUDES(mutex_);
  BulkSuspects::Lost lose_bulk(bool may_blame) OTA_REQUIRES(mutex_);
  void hang_up() OTA_REQUIRES(mutex_);
  void part() OTA_REQUIRES(mutex_);
  void wait(unsigned step) OTA_REQUIRES(mutex_);

  // Any thread.
  void drop(std::uint64_t id, const std::string& why) OTA_EXCLUDES(mutex_);
  void report_dropped(const Outgoing& message, const std::string& why) const OTA_EXCLUDES(mutex_);

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
  void on_fence() override;

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
  std::string last_reason_;  // the broker's last reason for ending one of these

  mutable Mutex mutex_;
  ConditionVariable wake_;
  Outbox outbox_ OTA_GUARDED_BY(mutex_);
  BulkLane bulk_ OTA_GUARDED_BY(mutex_);
  BarredTopics barred_ OTA_GUARDED_BY(mutex_);
  int max_qos_ OTA_GUARDED_BY(mutex_) = 2;  // of this connection
  Version version_ OTA_GUARDED_BY(mutex_) = Version::automatic;
  State state_ OTA_GUARDED_BY(mutex_) = State::idle;
  int reason_ OTA_GUARDED_BY(mutex_) = 0;
  std::string detail_ OTA_GUARDED_BY(mutex_) = "not connected yet";
  std::uint64_t connects_ OTA_GUARDED_BY(mutex_) = 0;
  std::uint64_t published_ OTA_GUARDED_BY(mutex_) = 0;
  std::uint64_t refused_ OTA_GUARDED_BY(mutex_) = 0;
  std::uint64_t dropped_ OTA_GUARDED_BY(mutex_) = 0;
  std::size_t unanswered_ OTA_GUARDED_BY(mutex_) = 0;  // subscriptions of this connection
  bool announced_ OTA_GUARDED_BY(mutex_) = false;
  bool stopping_ OTA_GUARDED_BY(mutex_) = false;
  bool reconnect_now_ OTA_GUARDED_BY(mutex_) = false;
  std::chrono::steady_clock::time_point stop_by_ OTA_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point fence_until_ OTA_GUARDED_BY(mutex_);
  std::thread thread_;  // made under mutex_; joined by stop(), which must not hold it
};

}  // namespace ota::mqtt
