#include "app/daemon.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "app/addresses.hpp"
#include "app/config_check.hpp"
#include "app/module_options.hpp"
#include "app/secrets.hpp"
#include "ota/base/log.hpp"
#include "ota/events/cloud_event.hpp"
#include "ota/firmware/signature.hpp"

namespace ota::app {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr unsigned kReadingThreads = 2;
constexpr milliseconds kShortestGrace{200};  ///< for the broker, if the HTTP server used up the grace time

}  // namespace

Daemon::~Daemon() { stop(); }

Result<void> Daemon::start() {
  if (auto ready = check_files(settings_); !ready) return ready;
  hosts_ = host_names(settings_.http);
  publish_settings(settings_);
  if (auto ready = open_data(); !ready) return ready;
  if (auto ready = build_api(); !ready) return ready;
  if (auto ready = listen(); !ready) return ready;
  engine_->start();
  webhooks_->start();
  mqtt_->start();
  server_->start();
  store_->start_scrub();
  return {};
}

Result<void> Daemon::open_data() {
  const auto& storage = settings_.storage;
  const auto folder = fs::path(storage.database).parent_path();
  if (auto made = ready_folder("storage.database", folder); !made) return made;
  if (auto made = ready_folder("storage.firmware_dir", storage.firmware_dir); !made) return made;
  auto lock = lock_database(storage.database);
  if (!lock) return lock.error();
  lock_ = std::move(*lock);
  storage_ = storage::make_backend(storage);
  std::error_code unknown;
  if (fs::exists(storage.database, unknown)) {
    if (auto whole = storage_->check(); !whole) return whole;
  }

  if (auto images = open_images(); !images) return images;

  auto options = device_options(settings_);
  if (!options) return options.error();
  options->hosts = hosts_;
  const auto max_payload = [this](std::size_t topic_bytes) { return mqtt_->max_payload(topic_bytes); };
  notifier_ = device::Notifier::create(
      *options, clock_, *store_,
      [this](std::string topic, std::string payload, int qos) {
        return mqtt_->publish(std::move(topic), std::move(payload), qos);
      },
      max_payload);
  if (auto trusted = load_trust(); !trusted) return trusted;
  auto engine = engine::Engine::create(*storage_, wanted_of_engine(), clock_, random_, *store_, *notifier_);
  if (!engine) return engine.error();
  engine_ = std::move(*engine);
  if (auto ready = reconcile_images(); !ready) return ready;

  auto readers = storage_->open_readers(kReadingThreads);
  if (!readers) return readers.error();
  readers_ = std::move(*readers);
  if (auto ready = build_events(); !ready) return ready;

  download::Hooks hooks;
  hooks.publish_bulk = [this](std::string group, std::string topic, std::string payload,
                              std::function<void(bool)> sent) {
    return mqtt_->publish_bulk(std::move(group), std::move(topic), std::move(payload), std::move(sent));
  };
  hooks.bulk_barred = [this](const std::string& group) { return mqtt_->bulk_barred(group); };
  hooks.may_send = [this](const http::Bandwidth& bandwidth, std::size_t bytes,
                          std::function<void(std::size_t)> granted) {
    return server_->may_send(bandwidth, bytes, std::move(granted));
  };
  hooks.max_broker_payload = max_payload;
  device_ = device::Api::create(std::move(*options), clock_, *engine_, *store_, *notifier_, std::move(hooks));
  auto ddi = ddi_options(settings_);
  if (!ddi) return ddi.error();
  ddi->hosts = hosts_;
  ddi_ = ddi::Api::create(std::move(*ddi), random_, *engine_, device_->shared());
  return {};
}

Result<void> Daemon::open_images() {
  firmware::StoreOptions store_options;
  store_options.dir = settings_.storage.firmware_dir;
  store_options.max_image_bytes = settings_.http.max_upload_bytes;
  firmware::StoreEvents events;
  events.damaged = [this](const Digest& image) { engine_->images().image_damaged(image); };
  events.missing = events.whole = [this](const Digest& image) { engine_->images().image_changed(image); };
  events.hashed = [this](const firmware::Stored& image) { engine_->images().image_hashed(image); };
  auto store = firmware::Store::open(store_options, std::move(events));
  if (!store) return store.error();
  store_ = std::move(*store);
  return {};
}

engine::Options Daemon::wanted_of_engine() {
  auto wanted = engine_options(settings_);
  wanted.trust = trust_;
  wanted.events_written = [this] {
    feed_->wake();
    webhooks_->wake();
  };
  return wanted;
}

Result<void> Daemon::build_events() {
  feed_ = std::make_unique<events::Feed>(*readers_, events::source_of(host_name()));
  const auto folder = std::filesystem::path(settings_.storage.database).parent_path();
  auto key = webhook_key(folder);
  if (!key) return key.error();
  const events::WebhookRules rules{settings_.webhooks.allow_http, settings_.webhooks.allow_private};
  webhooks_ = events::Webhooks::create({rules, feed_->source(), std::move(*key)}, *readers_, engine_->webhooks(), clock_,
                                       random_);
  return {};
}

Result<void> Daemon::reconcile_images() {
  auto db = storage_->open(storage::Mode::reader);
  if (!db) return db.error();
  std::vector<firmware::KnownImage> known;
  try {
    for (const auto& row : (*db)->firmware().all()) known.push_back({row.checksum, row.size, row.damaged, !row.file});
  } catch (const storage::Fault& fault) {
    return fail(Errc::server_fault, fmt::format("the catalogue can't be read: {}", fault.what()));
  }
  const auto found = store_->reconcile(known);
  for (const auto& image : found.missing) engine_->images().image_changed(image);
  return {};
}

Result<void> Daemon::build_api() {
  auto password = read_password(settings_.mqtt);
  if (!password) return password.error();

  auto broker = broker_options(settings_.mqtt, std::move(*password));
  broker.subscriptions = device_->subscriptions();
  mqtt::Handlers handlers;
  handlers.on_message = [this](std::string_view topic, std::string_view payload) {
    device_->on_message(topic, payload);
  };
  handlers.on_oversized = [this](std::string_view topic, std::size_t size) { device_->on_oversized(topic, size); };
  handlers.on_retained = [this](std::string_view topic) { device_->on_retained(topic); };
  handlers.on_dropped = [this](std::string_view topic, std::string_view payload, const std::string& why) {
    device_->on_dropped(topic, payload, why);
  };
  mqtt_ = mqtt::Client::create(std::move(broker), std::move(handlers), random_);

  http::ServerOptions server;
  server.threads = static_cast<unsigned>(settings_.http.threads);
  server.max_connections = static_cast<std::size_t>(settings_.http.max_connections);
  server.idle_timeout = std::chrono::seconds(settings_.http.idle_timeout_s);
  server_ = http::Server::create(server);
  server_->set_rates(download_rates(settings_.http));

  rest::Options options;
  options.auth_required = auth_required(settings_);
  options.max_upload_bytes = settings_.http.max_upload_bytes;
  options.device_registration_closed = settings_.devices.registration == "closed";
  // With a separate listener, operators connect directly and not through the proxy in front of the devices' listener.
  if (settings_.http.admin_listen.empty()) options.public_path = public_path(settings_.http);
  options.public_url = settings_.http.public_url;
  options.hosts = hosts_;
  options.cors_origins = settings_.http.cors_origins;
  rest::Probes probes;
  probes.broker = [this] { return mqtt_->status(); };
  probes.http = [this] { return server_->counters(); };
  probes.devices = [this] { return device_->counters(); };
  probes.ddi = [this] { return ddi_->counters(); };
  probes.present = [this] { return std::chrono::seconds{present_s_.load()}; };
  probes.settings = [this] {
    const MutexLock lock(shown_mutex_);
    return shown_;
  };
  probes.living = [this] { return std::chrono::days{living_days_.load()}; };
  rest_ = rest::Api::create(options, clock_, *engine_, *readers_, *feed_, *webhooks_, *store_, trust_,
                            std::move(probes));
  page_ = std::make_unique<web::Page>(hosts_);
  return {};
}

bool Daemon::is_of_devices(std::string_view path) const { return device_->owns(path) || ddi_->owns(path); }

boost::asio::awaitable<http::Reply> Daemon::handle_device(http::Request& request) {
  return ddi_->owns(request.path()) ? ddi_->handle(request) : device_->handle(request);
}

Result<void> Daemon::listen() {
  const auto& http = settings_.http;
  const bool apart = !http.admin_listen.empty();
  http::Handler devices = [this](http::Request& request) { return handle_device(request); };
  http::Handler operators = [this](http::Request& request) {
    return web::Page::owns(request.path()) ? page_->handle(request) : rest_->handle(request);
  };
  http::Handler both = [this, operators](http::Request& request) {
    return is_of_devices(request.path()) ? handle_device(request) : operators(request);
  };
  auto bound = listen_on(http.listen, apart ? std::move(devices) : std::move(both), true, !apart);
  if (!bound) return bound.error();
  const auto url = public_url(http, *bound);
  notifier_->set_public_url(url);
  if (apart) {
    if (auto admin = listen_on(http.admin_listen, std::move(operators), false, true); !admin) return admin.error();
  }
  if (const auto doubt = doubt_of_public_url(http, url)) {
    log::warn(*doubt);
  } else {
    log::info(fmt::format("devices are told to download from {}", url));
  }
  warn_of_open_doors();
  warn_of_default_channel();
  return {};
}

Result<std::string> Daemon::listen_on(const std::string& address, http::Handler handler, bool devices, bool operators) {
  const auto& http = settings_.http;
  std::optional<http::TlsOptions> tls;
  if (!http.tls_cert.empty()) tls = http::TlsOptions{http.tls_cert, http.tls_key, devices ? http.tls_client_ca : ""};
  auto bound = server_->listen(listen_address(address), std::move(handler), tls);
  if (!bound) return bound.error();
  const auto* who = devices && operators ? "devices, operators" : devices ? "devices" : "operators";
  log::info(fmt::format("listening on {}://{} ({})", tls ? "https" : "http", *bound, who));
  listening_ += fmt::format("{}{}", listening_.empty() ? "" : ", ", *bound);
  return bound;
}

void Daemon::warn_of_open_doors() {
  if (!auth_required(settings_)) {
    const auto& address = settings_.http.admin_listen.empty() ? settings_.http.listen : settings_.http.admin_listen;
    if (!is_loopback(address))
      log::warn(fmt::format("security.api_auth is off: everyone who can reach {} has full access", address));
    return;
  }
  try {
    auto db = storage_->open(storage::Mode::reader);
    if (db && (*db)->api_keys().all().empty()) {
      log::warn(
          "operators need an API key and there is none yet: \"otad keys add --name NAME --role admin\" creates one");
    }
  } catch (const storage::Fault& fault) {
    log::error(fmt::format("the API keys can't be read: {}", fault.what()));
  }
}

void Daemon::stop() {
  if (std::exchange(stopped_, true)) return;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(settings_.shutdown_grace_s);
  const auto left = [until] {
    return std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
  };
  // In this order: first the sources of commands, then the engine, then what carries out its decisions.
  if (notifier_) notifier_->stop_polls();
  if (feed_) feed_->stop();
  if (server_) server_->stop(std::max(left(), milliseconds(0)));
  if (webhooks_) webhooks_->stop();
  if (engine_) engine_->stop();  // before the readers: it may close their connections
  if (device_) device_->stop_chunks();
  if (mqtt_) mqtt_->stop(std::max(left(), kShortestGrace));
}

Result<void> Daemon::load_trust() {
  auto trusted = firmware::TrustedKeys::load(settings_.security.trusted_keys_dir);
  if (!trusted) return trusted.error();
  trust_->set(std::move(*trusted), settings_.security.require_signed_firmware);
  return {};
}

}  // namespace ota::app
