// The daemon: builds the modules' objects, starts them, and stops them in an order that loses no data.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/health_watch.hpp"
#include "app/instance_lock.hpp"
#include "ota/base/clock.hpp"
#include "ota/base/mutex.hpp"
#include "ota/base/random.hpp"
#include "ota/base/settings.hpp"
#include "ota/ddi/api.hpp"
#include "ota/device/api.hpp"
#include "ota/engine/engine.hpp"
#include "ota/events/feed.hpp"
#include "ota/events/webhooks.hpp"
#include "ota/firmware/store.hpp"
#include "ota/firmware/trust.hpp"
#include "ota/http/server.hpp"
#include "ota/mqtt/client.hpp"
#include "ota/rest/api.hpp"
#include "ota/storage/backend.hpp"
#include "ota/web/page.hpp"

namespace ota::app {

/// Used from the main thread only.
class Daemon {
 public:
  explicit Daemon(Settings settings) : settings_(std::move(settings)) {}
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// Starts everything, up to serving. Errc::malformed: the settings are invalid; other codes: internal errors.
  Result<void> start();
  /// Accepts no new work, finishes what is in progress within `shutdown_grace_s`, aborts the rest. Idempotent.
  void stop();

  /// Applies the settings that may change while running, reopens the log, reloads certificates, and logs each change:
  /// its key, the old and the new value, and whether it needs a restart.
  void reload(const Settings& wanted);

  /// Whether the engine's thread completed a cycle within `limit`.
  bool alive(std::chrono::milliseconds limit) const;
  /// Writes an event where the broker or the disk stops working, and where it works again. Call it now and then.
  void watch();
  /// One line for the service manager: listen addresses, state of the broker connection, number of slots in use.
  std::string status() const;
  const Settings& settings() const noexcept { return settings_; }

 private:
  Result<void> open_data();
  Result<void> open_images();
  engine::Options wanted_of_engine();
  Result<void> build_events();
  Result<void> reconcile_images();
  /// Applies the trusted keys and the signature rule of these settings.
  Result<void> load_trust();
  Result<void> build_api();
  Result<void> listen();
  Result<std::string> listen_on(const std::string& address, http::Handler handler, bool devices, bool operators);
  void warn_of_open_doors();
  void warn_of_default_channel();
  /// Shows operators the settings in force; `wanted`: what was read last.
  void publish_settings(const Settings& wanted);
  Result<void> reload_certificates();
  bool is_of_devices(std::string_view path) const;
  boost::asio::awaitable<http::Reply> handle_device(http::Request& request);

  Settings settings_;
  std::atomic<int> present_s_{settings_.devices.present_s};  ///< read on other threads
  std::atomic<int> living_days_{settings_.fleet.living_days};  ///< as present_s_
  mutable Mutex shown_mutex_;
  std::shared_ptr<const std::vector<SettingView>> shown_ OTA_GUARDED_BY(shown_mutex_);  ///< read on other threads
  SystemClock clock_;
  SystemRandom random_;
  std::string listening_;
  bool stopped_ = false;
  HealthWatch health_{[this](const std::string& component, const std::string& trouble) {
    engine_->note_health(component, trouble);
  }};
  std::shared_ptr<const http::HostNames> hosts_;

  // Destroyed from the last to the first: disk threads may call the engine and the notifier until the store is destroyed,
  // and coroutine frames that the HTTP server still holds may use all other members.
  File lock_;
  const std::shared_ptr<firmware::Trust> trust_ = std::make_shared<firmware::Trust>();
  std::unique_ptr<storage::Backend> storage_;
  std::unique_ptr<device::Notifier> notifier_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<firmware::Store> store_;
  std::unique_ptr<storage::Readers> readers_;
  std::unique_ptr<events::Feed> feed_;
  std::unique_ptr<events::Webhooks> webhooks_;
  std::unique_ptr<device::Api> device_;
  std::unique_ptr<ddi::Api> ddi_;
  std::unique_ptr<mqtt::Client> mqtt_;
  std::unique_ptr<rest::Api> rest_;
  std::unique_ptr<web::Page> page_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace ota::app
