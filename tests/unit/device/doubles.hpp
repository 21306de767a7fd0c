// Doubles of the modules that device uses.
#pragma once

#include <cstdlib>
#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ota/device/api.hpp"

namespace ota::device::test {

inline constexpr TaskId kTask{20261122, 42};
inline constexpr std::uint32_t kChunk = 1000;

class TestClock final : public Clock {
 public:
  WallTime wall() const override { return wall_time; }
  Millis steady() const override { return steady_time; }
  WallTime wall_time = std::chrono::sys_days{std::chrono::year{2026} / 11 / 22} + std::chrono::hours{8};
  Millis steady_time{5000};
};

/// What came to the engine, and what it answers: `answer`, at once or when the test says so.
class TestEngine final : public engine::Engine {
 public:
  explicit TestEngine(const Clock& clock) : transfers_(clock) {}

  void start() override {}
  void stop() override {}
  void apply(const engine::Options&) override {}
  void receive(DeviceId device, Credentials who, DeviceMessage message, engine::Reply reply) override {
    if (auto* request = std::get_if<DeviceRequest>(&message)) requests.emplace_back(device.str(), std::move(*request));
    if (auto* report = std::get_if<ProgressReport>(&message)) reports.emplace_back(device.str(), std::move(*report));
    if (auto* verify = std::get_if<VerifyReport>(&message)) verifies.emplace_back(device.str(), std::move(*verify));
    take(who, std::move(reply));
  }
  void latest(engine::LatestQuery query, Credentials who, engine::Reply reply) override {
    latest_queries.push_back(std::move(query));
    take(who, std::move(reply));
  }
  void download(engine::DownloadClaim claim, engine::Done<engine::Admission> done) override {
    asked.push_back(claim.task);
    claims.push_back(std::move(claim));
    if (!access) return done(access.error());
    done(engine::Admission{*access, grid_of_admitted, signature_of_admitted});
  }
  void fetch(DeviceId device, Credentials who, TaskId task, engine::Done<engine::ChunkAccess> done) override {
    last_who = who;
    fetched.push_back(task);
    if (const auto grant = transfers_.fetch(device.str(), who, task)) return done(engine::ChunkAccess{*grant});
    done(chunk_access);
  }
  void listen(DeviceId device, Credentials who, engine::Done<std::optional<Answer>> done) override {
    if (const auto allowed = allows ? allows(device, who) : Result<void>{}; !allowed) return done(allowed.error());
    if (hold) return listening.push_back(std::move(done));
    done(pending);
  }

  void upgrade(engine::UpgradeOrder, Caller, engine::Done<engine::UpgradeOutcome>) override {}
  void cancel(TaskId, Caller, engine::Done<Task>) override {}
  void retry(TaskId, Caller, engine::Done<Task>) override {}
  void set_priority(TaskId, Priority, Caller, engine::Done<Task>) override {}
  void audit(AuditEntry) override {}
  void note_health(std::string, std::string) override {}
  engine::Actions& actions() noexcept override { std::abort(); }
  engine::FleetControl& fleet() noexcept override { std::abort(); }  // nobody asks here
  engine::RegistryControl& registry() noexcept override { std::abort(); }
  engine::ImageObserver& images() noexcept override { std::abort(); }
  engine::KeyControl& keys() noexcept override { std::abort(); }
  engine::WebhookControl& webhooks() noexcept override { std::abort(); }
  engine::ActiveTransfers& transfers() noexcept override { return transfers_; }
  engine::Stats stats() const override { return {}; }

  std::size_t received() const { return requests.size() + reports.size() + verifies.size(); }

  std::optional<Answer> answer;
  bool hold = false;  ///< keep replies in `held` and `listening`
  std::vector<engine::Reply> held;
  std::vector<engine::Done<std::optional<Answer>>> listening;
  std::optional<Answer> pending;  ///< what the device was told last and has not begun
  Result<engine::Access> access = engine::Access::unknown;
  std::uint32_t grid_of_admitted = 0;
  std::optional<FirmwareSignature> signature_of_admitted;
  std::vector<TaskId> asked;
  std::vector<engine::DownloadClaim> claims;
  Result<engine::ChunkAccess> chunk_access = fail(Errc::overloaded, "full");  ///< for no active transfer
  std::vector<TaskId> fetched;
  std::function<Result<void>(const DeviceId&, const Credentials&)> allows;  ///< empty: everybody
  std::vector<std::pair<std::string, DeviceRequest>> requests;
  std::vector<engine::LatestQuery> latest_queries;
  std::vector<std::pair<std::string, ProgressReport>> reports;
  std::vector<std::pair<std::string, VerifyReport>> verifies;
  Credentials last_who;

 private:
  void take(const Credentials& who, engine::Reply reply) {
    last_who = who;
    if (hold)
      held.push_back(std::move(reply));
    else
      reply(answer);
  }

  engine::ActiveTransfers transfers_;
};

class TestImage final : public firmware::Image {
 public:
  TestImage(const Digest& digest, std::uint64_t size) : digest_(digest), size_(size) {}
  const Digest& digest() const noexcept override { return digest_; }
  std::uint64_t size() const noexcept override { return size_; }
  int descriptor() const noexcept override { return 42; }
  bool checked(std::uint64_t, std::uint64_t) const noexcept override { return true; }
  void check(std::uint64_t, std::uint64_t, std::function<void(Result<void>)> done) override { done({}); }
  void invalidate(std::uint64_t, std::uint64_t) noexcept override {}

 private:
  Digest digest_;
  std::uint64_t size_;
};

/// Images without bytes; manifests are in memory, or only after prepare().
class TestStore final : public firmware::Store {
 public:
  using Grid = std::pair<Digest, std::uint32_t>;

  std::shared_ptr<const firmware::Manifest> find(const Digest& image, std::uint32_t chunk_bytes) const override {
    const auto at = ready.find({image, chunk_bytes});
    return at == ready.end() ? nullptr : at->second;
  }
  void prepare(const Digest& image, std::uint32_t chunk_bytes,
               std::function<void(Result<std::shared_ptr<const firmware::Manifest>>)> done) override {
    ++prepared;
    if (trouble) return done(*trouble);
    done(later.at({image, chunk_bytes}));
  }
  firmware::Reconciled reconcile(const std::vector<firmware::KnownImage>&) override { return {}; }
  bool missing(const Digest&) const override { return false; }
  std::vector<firmware::Orphan> orphans() const override { return {}; }
  Result<firmware::Stored> examine(const std::string&) const override { return fail(Errc::not_found, "none"); }
  std::shared_ptr<firmware::Image> image(const Digest& digest) const override {
    const auto at = images.find(digest);
    return at == images.end() ? nullptr : at->second;
  }
  Result<std::unique_ptr<firmware::Upload>> begin_upload() override { return fail(Errc::server_fault, "none"); }
  bool on_disk_thread(std::function<void()> job) override {
    if (!disk) return false;
    disk->push_back(std::move(job));
    most_jobs = std::max(most_jobs, disk->size());
    return true;
  }
  void remove(const Digest&) override {}
  void start_scrub() override {}
  Result<std::uint64_t> free_bytes() const override { return std::uint64_t{0}; }

  std::map<Digest, std::shared_ptr<firmware::Image>> images;
  std::map<Grid, std::shared_ptr<const firmware::Manifest>> ready;
  std::map<Grid, std::shared_ptr<const firmware::Manifest>> later;
  std::optional<Error> trouble;
  int prepared = 0;
  std::optional<std::deque<std::function<void()>>> disk;  ///< jobs, for the test to run; none: there is no room
  std::size_t most_jobs = 0;
};

class TestRequest final : public http::Request {
 public:
  TestRequest(http::Method method, std::string path, std::string query = {}, std::string body = {})
      : method_(method), path_(std::move(path)), query_(std::move(query)), body_(std::move(body)) {}

  http::Method method() const noexcept override { return method_; }
  std::string_view path() const noexcept override { return path_; }
  std::string_view query() const noexcept override { return query_; }
  std::string_view authority() const noexcept override { return host; }
  std::string_view header(std::string_view name) const noexcept override {
    const auto at = headers.find(std::string(name));
    return at == headers.end() ? std::string_view() : std::string_view(at->second);
  }
  const std::string& remote() const noexcept override { return remote_; }
  const std::string& client_name() const noexcept override { return client; }
  std::optional<std::uint64_t> content_length() const noexcept override { return body_.size(); }
  boost::asio::awaitable<Result<std::size_t>> read_some(std::span<char>) override { co_return std::size_t{0}; }
  boost::asio::awaitable<Result<std::string>> read_all(std::size_t limit) override {
    if (body_.size() > limit) co_return fail(Errc::too_large, "the body is too large");
    co_return body_;
  }

  std::map<std::string, std::string> headers;
  std::string client;
  std::string host = "localhost:8080";

 private:
  http::Method method_;
  std::string path_, query_, body_;
  std::string remote_ = "127.0.0.1:1000";
};

struct Published {
  std::string topic, payload;
  int qos = 0;
};

/// The devices' half of the api over all of these.
struct DeviceWorld {
  static Options default_options() {
    Options options;
    options.public_url = "http://gw:8080";
    options.signing_keys = {"first key", "older key"};
    return options;
  }
  explicit DeviceWorld(download::Hooks hooks = {}, const Options& chosen = default_options())
      : options(chosen),
        notifier(Notifier::create(
            options, clock, store,
            [this](std::string topic, std::string payload, int qos) {
              if (!broker_takes) return false;
              published.push_back({std::move(topic), std::move(payload), qos});
              return true;
            },
            [this](std::size_t) { return broker_room; })),
        api(Api::create(options, clock, engine, store, *notifier, std::move(hooks))) {}

  /// Runs until the reply is there.
  http::Reply handle(http::Request& request) {
    std::optional<http::Reply> reply;
    begin(request, reply);
    io.restart();
    io.run();
    return std::move(reply).value();
  }
  /// Begins only; the reply comes while `io` runs.
  void begin(http::Request& request, std::optional<http::Reply>& reply) {
    boost::asio::co_spawn(io, api->handle(request), [&reply](std::exception_ptr thrown, http::Reply value) {
      if (thrown) std::rethrow_exception(thrown);
      reply = std::move(value);
    });
  }

  TestClock clock;
  TestEngine engine{clock};
  TestStore store;
  bool broker_takes = true;
  std::size_t broker_room = 0;  ///< bytes of a payload; 0: not connected yet
  std::vector<Published> published;
  Options options;
  std::unique_ptr<Notifier> notifier;
  std::unique_ptr<Api> api;
  boost::asio::io_context io;
};

inline std::string header_of(const http::Reply& reply, std::string_view name) {
  for (const auto& header : reply.headers)
    if (header.name == name) return header.value;
  return {};
}

}  // namespace ota::device::test
