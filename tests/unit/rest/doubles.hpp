// What the operators' tests stand on: a real database and image store in a temporary folder, a scripted engine, and
// requests by hand.
#pragma once

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ota/firmware/hash.hpp"
#include "ota/rest/api.hpp"
#include "ota/storage/backend.hpp"
#include "ota/storage/fleet.hpp"
#include "ota/storage/rollouts.hpp"
#include "ota/storage/unit.hpp"
#include "support/fakes.hpp"
#include "unit/rest/scripted_fleet.hpp"
#include "unit/rest/scripted_webhooks.hpp"

namespace ota::rest::test {

/// Answers every command with what the test put in; keeps what came.
class ScriptedEngine final : public engine::Engine, public engine::RegistryControl, public engine::KeyControl {
 public:
  explicit ScriptedEngine(const Clock& clock) : transfers_(clock) {}

  void start() override {}
  void stop() override {}
  void apply(const engine::Options&) override {}
  void receive(DeviceId, Credentials, DeviceMessage, engine::Reply) override {}
  void download(engine::DownloadClaim, engine::Done<engine::Admission>) override {}
  void fetch(DeviceId, Credentials, TaskId, engine::Done<engine::ChunkAccess>) override {}
  void latest(engine::LatestQuery, Credentials, engine::Reply) override {}
  void listen(DeviceId, Credentials, engine::Done<std::optional<Answer>>) override {}
  void put_key(engine::KeyChange wanted, Caller by, engine::Done<ApiKey> done) override {
    key_change = std::move(wanted);
    actor = std::move(by.name);
    ++commands;
    if (trouble) return done(*trouble);
    ApiKey key;
    key.name = key_change->name;
    key.role = key_change->role.value_or(Role::viewer);
    key.scope = key_change->scope.value_or(std::vector<std::string>{});
    if (key_change->expires) key.expires = *key_change->expires;
    done(key);
  }
  void remove_key(std::string name, Caller by, engine::Done<void> done) override {
    device_command(std::move(name), by, done);
  }
  void audit(AuditEntry entry) override { refused.push_back(std::move(entry)); }
  void key_used(std::string name) override { used.push_back(std::move(name)); }
  void note_health(std::string, std::string) override {}
  engine::Actions& actions() noexcept override { std::abort(); }
  engine::FleetControl& fleet() noexcept override { return fleet_control; }
  engine::RegistryControl& registry() noexcept override { return *this; }
  engine::ImageObserver& images() noexcept override { std::abort(); }
  engine::KeyControl& keys() noexcept override { return *this; }
  engine::WebhookControl& webhooks() noexcept override { return webhook_control; }
  engine::ActiveTransfers& transfers() noexcept override { return transfers_; }
  engine::Stats stats() const override { return counters; }

  void upgrade(engine::UpgradeOrder wanted, Caller by, engine::Done<engine::UpgradeOutcome> done) override {
    order = std::move(wanted);
    actor = std::move(by.name);
    ++commands;
    done(outcome);
  }
  void cancel(TaskId id, Caller by, engine::Done<Task> done) override { task_command(id, by, done); }
  void retry(TaskId id, Caller by, engine::Done<Task> done) override { task_command(id, by, done); }
  void set_priority(TaskId id, Priority wanted, Caller by, engine::Done<Task> done) override {
    priority = wanted;
    task_command(id, by, done);
  }
  void change_device(engine::DeviceChange wanted, Caller by, engine::Done<engine::PutDevice> done) override {
    change = std::move(wanted);
    actor = std::move(by.name);
    ++commands;
    if (trouble) return done(*trouble);
    Device device;
    device.id = change->device;
    device.hardware = change->hardware.value_or("");
    for (const auto& [name, value] : change->tags)
      if (value) device.tags[name] = *value;
    done(Result<engine::PutDevice>(engine::PutDevice{device, created}));
  }
  void remove_device(std::string id, Caller by, engine::Done<void> done) override {
    device_command(std::move(id), by, done);
  }
  void set_device_secret(std::string id, Digest digest, Caller by, engine::Done<void> done) override {
    secret = digest;
    device_command(std::move(id), by, done);
  }
  void add_firmware(Firmware wanted, Caller by, engine::Done<engine::AddedFirmware> done) override {
    actor = std::move(by.name);
    ++commands;
    firmware = wanted;
    if (trouble) return done(*trouble);
    wanted.id = 7;
    done(Result<engine::AddedFirmware>(engine::AddedFirmware{wanted, created}));
  }
  void remove_firmware(std::int64_t id, Caller by, engine::Done<Firmware> done) override {
    actor = std::move(by.name);
    ++commands;
    removed = id;
    if (trouble) return done(*trouble);
    done(Result<Firmware>(Firmware{}));
  }

  Result<engine::UpgradeOutcome> outcome = engine::UpgradeOutcome{};
  Result<Task> task = Task{};
  std::optional<Error> trouble;
  bool created = true;
  engine::Stats counters;
  ScriptedFleet fleet_control;
  ScriptedWebhooks webhook_control;

  int commands = 0;
  std::string actor;
  std::optional<engine::UpgradeOrder> order;
  std::optional<TaskId> task_id;
  std::optional<Priority> priority;
  std::optional<engine::DeviceChange> change;
  std::optional<engine::KeyChange> key_change;
  std::string device_id;
  std::optional<Digest> secret;
  std::optional<Firmware> firmware;
  std::int64_t removed = 0;
  std::vector<std::string> used;
  std::vector<AuditEntry> refused;

 private:
  void task_command(TaskId id, const Caller& by, const engine::Done<Task>& done) {
    task_id = id;
    actor = by.name;
    ++commands;
    done(task);
  }
  void device_command(std::string id, const Caller& by, const engine::Done<void>& done) {
    device_id = std::move(id);
    actor = by.name;
    ++commands;
    if (trouble) return done(*trouble);
    done(Result<void>{});
  }

  engine::ActiveTransfers transfers_;
};

class HandRequest final : public http::Request {
 public:
  HandRequest(http::Method method, std::string target, std::string body = {})
      : method_(method), target_(std::move(target)), body_(std::move(body)) {
    const auto mark = target_.find('?');
    path_ = target_.substr(0, mark);
    if (mark != std::string::npos) query_ = target_.substr(mark + 1);
  }

  http::Method method() const noexcept override { return method_; }
  std::string_view path() const noexcept override { return path_; }
  std::string_view query() const noexcept override { return query_; }
  std::string_view authority() const noexcept override {
    const auto host = header("Host");
    return host.empty() && names_host ? "localhost:8080" : host;
  }
  std::string_view header(std::string_view name) const noexcept override {
    const auto found = headers.find(std::string(name));
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
  }
  const std::string& remote() const noexcept override { return from; }
  const std::string& client_name() const noexcept override { return client_; }
  std::optional<std::uint64_t> content_length() const noexcept override { return length; }
  boost::asio::awaitable<Result<std::size_t>> read_some(std::span<char> into) override {
    if (at_ == cut_at) co_return fail(Errc::cancelled, "the sender went away");
    const auto count = std::min({into.size(), piece, std::min(body_.size(), cut_at) - at_});
    std::copy_n(body_.data() + at_, count, into.data());
    at_ += count;
    co_return count;
  }
  boost::asio::awaitable<Result<std::string>> read_all(std::size_t limit) override {
    if (body_.size() > limit) co_return fail(Errc::too_large, "the body is too large");
    co_return body_;
  }

  std::map<std::string, std::string> headers;
  bool names_host = true;  ///< localhost, where no header says another
  std::string from = "10.0.0.7:51234";
  std::optional<std::uint64_t> length;
  std::size_t piece = 50'000;              ///< read_some() gives at most so much
  std::size_t cut_at = std::string::npos;  ///< the sender goes away there
  std::size_t taken() const { return at_; }

 private:
  http::Method method_;
  std::string target_;
  std::string path_;
  std::string query_;
  std::string body_;
  std::string client_;
  std::size_t at_ = 0;
};

/// An answer, looked into.
struct Seen {
  http::Reply reply;
  nlohmann::json json;

  std::string header(const std::string& name) const {
    for (const auto& header : reply.headers)
      if (header.name == name) return header.value;
    return {};
  }
  std::vector<std::string> fields() const {
    std::vector<std::string> names;
    if (json.contains("errors"))
      for (const auto& error : json["errors"]) names.push_back(error["field"]);
    return names;
  }
  std::string code() const { return json.value("code", ""); }
};

/// All modules below, on real files.
class Bench {
 public:
  explicit Bench(Options options = no_auth()) {
    auto opened = storage->open(storage::Mode::writer);
    if (!opened) throw std::runtime_error(opened.error().message);
    db = std::move(*opened);
    unit = std::make_unique<storage::Unit>(*db);
    rollouts = std::make_unique<storage::Rollouts>(*db);
    fleet = std::make_unique<storage::Fleet>(*db);
    readers = storage->open_readers(2).value();
    firmware::StoreOptions store_options;
    store_options.dir = dir.path() / "firmware";
    store = firmware::Store::open(store_options, {}).value();
    store->reconcile({});
    Probes probes;
    probes.broker = [this] { return broker; };
    probes.http = [this] { return http; };
    probes.devices = [] { return download::DeviceCounters{}; };
    probes.living = [this] { return living; };
    probes.settings = [this] { return settings; };
    feed = std::make_unique<events::Feed>(*readers, "/otad/test");
    api = Api::create(options, clock, engine, *readers, *feed, webhooks, *store, trust, std::move(probes));
  }

  static Options no_auth() {
    Options options;
    options.auth_required = false;
    return options;
  }

  http::Reply reply_to(HandRequest& request) {
    boost::asio::io_context io;
    std::optional<http::Reply> reply;
    boost::asio::co_spawn(io, api->handle(request), [&](std::exception_ptr error, http::Reply answer) {
      if (error) std::rethrow_exception(error);
      reply = std::move(answer);
    });
    io.run();
    return std::move(reply.value());
  }
  Seen handle(HandRequest& request) {
    Seen seen{reply_to(request), nullptr};
    if (seen.reply.content_type.find("json") != std::string::npos) seen.json = nlohmann::json::parse(seen.reply.body);
    return seen;
  }

  Seen call(http::Method method, const std::string& target, std::string body = {},
            std::map<std::string, std::string> headers = {}) {
    HandRequest request(method, target, std::move(body));
    request.headers = std::move(headers);
    return handle(request);
  }
  Seen get(const std::string& target) { return call(http::Method::get, target); }

  /// Writes to the database as the engine would.
  template <class Work>
  void write(Work work) {
    db->begin();
    work();
    unit->flush();
    db->commit();
  }

  /// A queued task of that device.
  Task add_task(const std::string& device, const std::string& version = "1.4.0") {
    Task task;
    task.id.day = 20261122;
    task.device = device;
    task.firmware_id = 1;
    task.version = version;
    task.size = 2'048'000;
    task.created = task.updated = clock.wall();
    task.created_by = "anna";
    write([&] { unit->insert(task); });
    return task;
  }

  std::string add_key(const std::string& name, Role role, std::vector<std::string> scope = {}) {
    const auto secret = "otad_" + name;
    ApiKey key;
    key.scope = std::move(scope);
    key.name = name;
    key.role = role;
    key.secret = firmware::sha256(secret);
    key.created = clock.wall();
    write([&] { db->api_keys().add(key); });
    return secret;
  }

  std::string database_path() const { return dir / "otad.db"; }
  std::size_t files_in_store() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir.path() / "firmware"))
      count += entry.is_regular_file();
    return count;
  }

  ota::test::TempDir dir;
  ota::test::FakeClock clock;
  mqtt::Status broker{true, "", 1, 0, 0, 0, 0};
  http::ServerCounters http{};
  std::chrono::days living{7};
  std::shared_ptr<const std::vector<SettingView>> settings = std::make_shared<const std::vector<SettingView>>();
  const std::unique_ptr<storage::Backend> storage = storage::make_backend({.database = database_path()});
  std::unique_ptr<storage::Database> db;
  std::unique_ptr<storage::Unit> unit;  ///< devices and tasks that write() writes
  std::unique_ptr<storage::Rollouts> rollouts;
  std::unique_ptr<storage::Fleet> fleet;
  std::unique_ptr<firmware::Store> store;
  std::unique_ptr<storage::Readers> readers;
  std::unique_ptr<events::Feed> feed;
  ScriptedSender webhooks;
  ScriptedEngine engine{clock};
  std::shared_ptr<firmware::Trust> trust = std::make_shared<firmware::Trust>();
  std::unique_ptr<Api> api;
};

}  // namespace ota::rest::test
