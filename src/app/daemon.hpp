// The daemon: builds the rooms' objects, starts them, and stops them in the order that loses nothing.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "app/instance_lock.hpp"
#include "ota/base/clock.hpp"
#include "ota/base/random.hpp"
#include "ota/base/settings.hpp"
#include "ota/device/api.hpp"
#include "ota/engine/engine.hpp"
#include "ota/firmware/store.hpp"
#include "ota/firmware/trust.hpp"
#include "ota/http/server.hpp"
#include "ota/mqtt/client.hpp"
#include "ota/rest/api.hpp"
#include "ota/storage/readers.hpp"

namespace ota::app {

/// Used from the main thread only.
class Daemon {
 public:
  explicit Daemon(Settings settings) : settings_(std::move(settings)) {}
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// Everything up to serving. Errc::malformed for what the settings must answer for; other errors are faults.
  Result<void> start();
  /// Takes no new work, finishes what is in flight within `shutdown_grace_s`, cuts the rest. Idempotent.
  void stop();

  /// Puts in force what may change while running, opens the log anew, reads certificates again, and logs each change:
  /// its key, the value before and the new one, and whether it needs a restart.
  void reload(const Settings& wanted);

  /// Whether the engine's thread went round within `limit`.
  bool alive(std::chrono::milliseconds limit) const;
  /// One line for the service manager: where it listens, whether the broker is there, how many slots are held.
  std::string status() const;
  const Settings& settings() const noexcept { return settings_; }

 private:
  Result<void> open_data();
  Result<void> reconcile_images();
  /// The keys and the rule of the settings, from now on.
  Result<void> load_trust();
  Result<void> build_api();
  Result<void> listen();
  Result<std::string> listen_on(const std::string& address, http::Handler handler, bool devices, bool operators);
  void warn_of_open_doors();
  Result<void> reload_certificates();

  Settings settings_;
  SystemClock clock_;
  SystemRandom random_;
  std::string listening_;
  bool stopped_ = false;
  std::shared_ptr<const http::HostNames> hosts_;

  // Destroyed from the last to the first: disk threads may call the engine and the outbox until the store is gone, and
  // what the server still holds of a handler's coroutine may use all the others.
  File lock_;
  const std::shared_ptr<firmware::Trust> trust_ = std::make_shared<firmware::Trust>();
  std::unique_ptr<device::Notifier> notifier_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<firmware::Store> store_;
  std::unique_ptr<storage::Readers> readers_;
  std::unique_ptr<device::Api> device_;
  std::unique_ptr<mqtt::Client> mqtt_;
  std::unique_ptr<rest::Api> rest_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace ota::app
