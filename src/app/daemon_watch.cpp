// What the daemon does while it serves: new settings, its health, its reports to the service manager.
#include <fmt/format.h>

#include "app/daemon.hpp"
#include "app/module_options.hpp"
#include "app/secrets.hpp"
#include "ota/base/log.hpp"
#include "ota/domain/task.hpp"
#include "ota/storage/fleet.hpp"

namespace ota::app {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kBrokerAway{30};       ///< before that it is no news: brokers restart
constexpr std::uint64_t kLeastFreeBytes = 64u << 20;  ///< as /readyz has it

}  // namespace

void Daemon::reload(const Settings& wanted) {
  const auto changed = changes_between(settings_, wanted);
  for (const auto& change : changed) {
    if (change.live) {
      log::info(fmt::format("{}: {} -> {}", change.key, change.from, change.to));
    } else {
      log::warn(fmt::format("{}: {} -> {} takes a restart; until then it stays {}", change.key, change.from, change.to,
                            change.from));
    }
  }
  const bool other_channel = settings_.devices.default_channel != wanted.devices.default_channel;
  settings_ = with_changes(settings_, wanted);
  publish_settings(wanted);
  if (auto configured = log::configure(settings_.log); !configured) log::error(configured.error().message);
  if (auto trusted = load_trust(); !trusted)
    log::error(fmt::format("the trusted keys are unchanged: {}", trusted.error().message));
  engine_->apply(wanted_of_engine());
  if (other_channel) warn_of_default_channel();
  present_s_ = settings_.devices.present_s;
  living_days_ = settings_.fleet.living_days;
  server_->set_rates(download_rates(settings_.http));
  if (auto reloaded = reload_certificates(); !reloaded)
    log::error(fmt::format("the certificates are unchanged: {}", reloaded.error().message));
  log::info(fmt::format("the settings were read again: {}", changed.empty() ? "nothing in them changed" : "see above"));
}

void Daemon::warn_of_default_channel() {
  const auto& name = settings_.devices.default_channel;
  try {
    auto db = storage_->open(storage::Mode::reader);
    if (!db || storage::Fleet(**db).channel(name)) return;
    log::warn(fmt::format(
        "devices.default_channel: there is no channel {0}; new devices follow {1} until PUT /channels/{0} makes it", name,
        kDefaultChannel));
  } catch (const storage::Fault& fault) {
    log::error(fmt::format("the channels can't be read: {}", fault.what()));
  }
}

void Daemon::publish_settings(const Settings& wanted) {
  auto shown = std::make_shared<const std::vector<SettingView>>(settings_in_force(settings_, wanted));
  const MutexLock lock(shown_mutex_);
  shown_ = std::move(shown);
}

/// Checks the key's file as at a start; otherwise the next start would refuse the key that is in use.
Result<void> Daemon::reload_certificates() {
  if (auto regular = check_certificates(settings_); !regular) return regular;
  if (const auto& key = settings_.http.tls_key; !key.empty()) {
    if (auto checked = check_private("http.tls_key", key); !checked) return checked;
  }
  return server_->reload_tls();
}

void Daemon::watch() {
  const auto now = HealthWatch::Steady::now();
  const auto broker = mqtt_->status();
  health_.look("broker", broker.connected ? "" : broker.detail.empty() ? "not connected" : broker.detail, kBrokerAway,
               now);
  const auto free = store_->free_bytes();
  std::string disk;
  if (!free)
    disk = free.error().message;
  else if (*free < kLeastFreeBytes)
    disk = fmt::format("{} MiB free", *free >> 20);
  health_.look("disk", disk, std::chrono::seconds{0}, now);
}

bool Daemon::alive(milliseconds limit) const { return clock_.steady() - engine_->stats().last_turn < limit; }

std::string Daemon::status() const {
  return fmt::format("listening on {}; broker {}; {} slots held", listening_,
                     mqtt_->status().connected ? "connected" : "away", engine_->stats().slots_held);
}

}  // namespace ota::app
